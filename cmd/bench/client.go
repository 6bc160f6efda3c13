package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gatehouse/idp"
)

// conn is one connection that is kept open. It does less than http.Client: on two
// cores the load takes time from what it measures.
type conn struct {
	net.Conn
	in  *bufio.Reader
	out *bufio.Writer
}

func dial(address string) (*conn, error) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &conn{c, bufio.NewReader(c), bufio.NewWriter(c)}, nil
}

// patience is how long an answer may take before the run fails.
const patience = 20 * time.Second

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request and reads the whole answer.
func (c *conn) do(r *http.Request) (answer, error) {
	if err := c.SetDeadline(idp.Now().Add(patience)); err != nil {
		return answer{}, err
	}
	if err := errors.Join(r.Write(c.out), c.out.Flush()); err != nil {
		return answer{}, fmt.Errorf("send a request: %w", err)
	}
	res, err := http.ReadResponse(c.in, r)
	if err != nil {
		return answer{}, fmt.Errorf("read an answer: %w", err)
	}
	var body bytes.Buffer
	_, err = io.Copy(&body, res.Body)
	return answer{res.StatusCode, res.Header, body.Bytes()}, errors.Join(err, res.Body.Close())
}

// expect is do for an answer with a certain status.
func (c *conn) expect(status int, r *http.Request) (answer, error) {
	a, err := c.do(r)
	if err == nil && a.status != status {
		err = fmt.Errorf("%s %s answered %d: %.200s", r.Method, r.URL.Path, a.status, a.body)
	}
	return a, err
}

func get(path string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, issuer+path, http.NoBody)
	if err != nil {
		panic(err) // a mistake in this program
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36")
	return r
}

func post(path string, form url.Values) *http.Request {
	body := form.Encode()
	r := get(path)
	r.Method, r.Body, r.ContentLength = http.MethodPost, io.NopCloser(strings.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}
