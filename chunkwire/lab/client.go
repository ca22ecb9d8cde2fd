// A client that reads one response to its end, and prints how that went; for `chunkwire lab`.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	response, err := http.Get("http://" + os.Args[1] + os.Args[2])
	if err == nil {
		var had int64
		had, err = io.Copy(io.Discard, response.Body)
		if err == nil {
			fmt.Println("ok", had, "octets of content")
			return
		}
	}
	fmt.Println(err)
}
