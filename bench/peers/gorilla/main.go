// SPDX-License-Identifier: Apache-2.0

// The benchmark's server on gorilla/websocket: gorilla [--redis PORT]
// A hub as its users write it: a channel and a goroutine for each client, prepared messages, which are
// framed once for all, and whoever's channel is full is closed.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
	"github.com/redis/rueidis"
)

const queued = 256

type client struct {
	socket *websocket.Conn
	out    chan *websocket.PreparedMessage
}

type hub struct {
	mutex  sync.RWMutex
	topics map[string]map[*client]bool
	redis  rueidis.DedicatedClient
}

var (
	upgrader = websocket.Upgrader{ReadBufferSize: 4096, WriteBufferSize: 4096}
	clients  = hub{topics: map[string]map[*client]bool{}}
)

func (h *hub) deliver(topic string, data []byte) {
	text := fmt.Appendf(nil, `{"type":"msg","topic":"%s","data":%s}`, topic, data)
	message, err := websocket.NewPreparedMessage(websocket.TextMessage, text)
	if err != nil {
		log.Fatal(err)
	}
	h.mutex.RLock()
	defer h.mutex.RUnlock()
	for c := range h.topics[topic] {
		select {
		case c.out <- message:
		default:
			c.socket.Close()
		}
	}
}

func (h *hub) subscribe(topic string, c *client) {
	h.mutex.Lock()
	isNew := h.topics[topic] == nil
	if isNew {
		h.topics[topic] = map[*client]bool{}
	}
	h.topics[topic][c] = true
	h.mutex.Unlock()
	if isNew && h.redis != nil {
		h.redis.Do(context.Background(), h.redis.B().Subscribe().Channel(topic).Build())
	}
}

func (h *hub) unsubscribe(topics []string, c *client) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for _, topic := range topics {
		delete(h.topics[topic], c)
	}
}

// Writes until the connection fails, and goes on emptying the channel until it is closed.
func (c *client) write() {
	failed := false
	for message := range c.out {
		if !failed && c.socket.WritePreparedMessage(message) != nil {
			failed = true
			c.socket.Close()
		}
	}
}

func (h *hub) publish(frame []byte) {
	_, rest, _ := bytes.Cut(frame, []byte(`"topic":"`))
	topic, rest, _ := bytes.Cut(rest, []byte(`","data":`))
	h.deliver(string(topic), rest[:len(rest)-1])
}

func serve(w http.ResponseWriter, r *http.Request) {
	socket, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	topics := r.URL.Query()["topic"]
	c := &client{socket, make(chan *websocket.PreparedMessage, queued)}
	socket.WriteMessage(websocket.TextMessage, []byte(`{"type":"welcome"}`))
	if len(topics) > 0 {
		for _, topic := range topics {
			clients.subscribe(topic, c)
		}
		socket.WriteMessage(websocket.TextMessage, []byte(`{"type":"subscribed","done":true}`))
		go c.write()
	}
	for {
		_, frame, err := socket.ReadMessage()
		if err != nil {
			break
		}
		clients.publish(frame)
	}
	clients.unsubscribe(topics, c)
	close(c.out)
	socket.Close()
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "--redis" {
		client, err := rueidis.NewClient(rueidis.ClientOption{
			InitAddress:  []string{"127.0.0.1:" + os.Args[2]},
			DisableCache: true,
		})
		if err != nil {
			log.Fatal(err)
		}
		clients.redis, _ = client.Dedicate()
		clients.redis.SetPubSubHooks(rueidis.PubSubHooks{
			OnMessage: func(m rueidis.PubSubMessage) { clients.deliver(m.Channel, []byte(m.Message)) },
		})
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	_, port, _ := strings.Cut(listener.Addr().String(), ":")
	http.HandleFunc("/v1/ws", serve)
	fmt.Println("ready port=" + port)
	log.Fatal(http.Serve(listener, nil))
}
