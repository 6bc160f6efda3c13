package web_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp/web"
)

// patient serves a handler through Gin, with a limit for the whole of an answer.
func patient(t *testing.T, limit time.Duration, answer gin.HandlerFunc) *httptest.Server {
	t.Helper()
	e := gin.New()
	e.GET("/", answer)
	s := httptest.NewUnstartedServer(e)
	s.Config.WriteTimeout = limit
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func TestAStreamOutlivesTheLimitOfAnAnswer(t *testing.T) {
	const pieces = 12
	piece := bytes.Repeat([]byte("x"), 8<<10) // more than is held back
	s := patient(t, 10*time.Millisecond, func(c *gin.Context) {
		out := web.Stream(c.Writer, 200*time.Millisecond)
		for range pieces { // for longer than the patience with one of them
			time.Sleep(25 * time.Millisecond)
			if _, err := out.Write(piece); err != nil {
				t.Errorf("write: %v", err)
			}
		}
	})
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if got, err := io.ReadAll(res.Body); err != nil || len(got) != pieces*len(piece) {
		t.Errorf("%d bytes of %d arrived, %v", len(got), pieces*len(piece), err)
	}
}

func TestAStreamDropsWhoeverDoesNotRead(t *testing.T) {
	dropped := make(chan error, 1)
	s := patient(t, time.Minute, func(c *gin.Context) {
		out := web.Stream(c.Writer, 100*time.Millisecond)
		for {
			if _, err := out.Write(make([]byte, 1<<20)); err != nil {
				dropped <- err
				return
			}
		}
	})
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: id.example\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-dropped:
	case <-time.After(10 * time.Second):
		t.Error("somebody who reads nothing still holds the connection")
	}
}
