// Stamped chunks from Go's net/http. Usage: origin LISTEN_PORT; GET /?n=COUNT&us=INTERVAL
package main

import (
	"fmt"
	"log"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"time"
)

func stamped(w http.ResponseWriter, r *http.Request) {
	count, _ := strconv.Atoi(r.URL.Query().Get("n"))
	us, _ := strconv.Atoi(r.URL.Query().Get("us"))
	interval := time.Duration(us) * time.Microsecond
	w.Header().Set("Content-Type", "text/event-stream")
	flusher := w.(http.Flusher)
	flusher.Flush() // the head, before the first chunk is due
	due := time.Now().Add(time.Duration(rand.Int63n(int64(interval) + 1)))
	for n := 0; n < count; n++ {
		time.Sleep(time.Until(due))
		fmt.Fprintf(w, "T%019dP%019dxxxxxxxxxxxxxxxxxxxxxxx\n", time.Now().UnixNano(), due.UnixNano())
		flusher.Flush()
		due = due.Add(interval)
	}
}

func main() {
	http.HandleFunc("/", stamped)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
