// SPDX-License-Identifier: Apache-2.0

// The benchmark's node on Centrifugo's library: centrifuge [--redis PORT]
// Its own protocol in JSON, its hub and queues as they come; clients are subscribed by the server to
// the topics in their URL.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/centrifugal/centrifuge"
)

type topicsKey struct{}

func useRedis(node *centrifuge.Node, port string) {
	shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: "127.0.0.1:" + port})
	if err != nil {
		log.Fatal(err)
	}
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{
		Shards: []*centrifuge.RedisShard{shard},
	})
	if err != nil {
		log.Fatal(err)
	}
	node.SetBroker(broker)
}

func connecting(ctx context.Context, _ centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
	topics, _ := ctx.Value(topicsKey{}).([]string)
	subscriptions := map[string]centrifuge.SubscribeOptions{}
	for _, topic := range topics {
		subscriptions[topic] = centrifuge.SubscribeOptions{}
	}
	return centrifuge.ConnectReply{
		Credentials:   &centrifuge.Credentials{},
		Subscriptions: subscriptions,
	}, nil
}

func main() {
	node, err := centrifuge.New(centrifuge.Config{
		LogLevel:   centrifuge.LogLevelError,
		LogHandler: func(e centrifuge.LogEntry) { log.Println(e.Message, e.Fields) },
	})
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) == 3 && os.Args[1] == "--redis" {
		useRedis(node, os.Args[2])
	}
	node.OnConnecting(connecting)
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnPublish(func(_ centrifuge.PublishEvent, reply centrifuge.PublishCallback) {
			reply(centrifuge.PublishReply{}, nil)
		})
	})
	if err := node.Run(); err != nil {
		log.Fatal(err)
	}
	sockets := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{})
	http.HandleFunc("/v1/ws", func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), topicsKey{}, r.URL.Query()["topic"])
		sockets.ServeHTTP(w, r.WithContext(ctx))
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	_, port, _ := strings.Cut(listener.Addr().String(), ":")
	fmt.Println("ready port=" + port)
	log.Fatal(http.Serve(listener, nil))
}
