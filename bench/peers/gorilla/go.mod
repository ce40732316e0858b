module spillway/bench/gorilla

go 1.23.0

require (
	github.com/gorilla/websocket v1.5.3
	github.com/redis/rueidis v1.0.68
)

require golang.org/x/sys v0.31.0 // indirect
