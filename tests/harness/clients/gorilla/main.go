// SPDX-License-Identifier: Apache-2.0

// Gorilla's websocket (../README.md).
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

var speech sync.Mutex

func say(format string, words ...any) {
	speech.Lock()
	defer speech.Unlock()
	fmt.Printf(format+"\n", words...)
}

func listen(socket *websocket.Conn, over chan<- struct{}) {
	defer close(over)
	for {
		_, text, err := socket.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			say("closed %d", closed.Code)
			return
		}
		if err != nil {
			say("closed 0")
			return
		}
		say("text %s", text)
	}
}

func obey(socket *websocket.Conn, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	soon := time.Now().Add(5 * time.Second)
	switch word {
	case "send":
		return socket.WriteMessage(websocket.TextMessage, []byte(rest))
	case "ping":
		return socket.WriteControl(websocket.PingMessage, []byte("x"), soon)
	case "close":
		return socket.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), soon)
	}
	return nil
}

func main() {
	dialer := websocket.Dialer{Subprotocols: []string{"spillway.v1.json"}}
	socket, _, err := dialer.Dial(os.Args[1], nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	socket.SetPongHandler(func(string) error { say("pong"); return nil })
	say("open")
	over := make(chan struct{})
	go listen(socket, over)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := obey(socket, lines.Text()); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	<-over
}
