package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
)

// AnswerWithin is how long the work on a request may take before its answer begins. It is
// less than the server's limit for the whole answer, after which the connection is cut
// and nobody reads why; and more than a client waits that then asks again.
const AnswerWithin = 20 * time.Second

// errTooLong is the cause of a request's context that ended by AnswerWithin.
var errTooLong = errors.New("the work on the request took too long")

// hurry gives each request a deadline. Whatever fails by it, most of all a write that
// waits for the database, is answered with 503 and Retry-After.
func (w *Web) hurry(c *gin.Context) {
	ctx, cancel := context.WithCancelCause(c.Request.Context())
	defer cancel(nil)
	timer := time.AfterFunc(AnswerWithin, func() { cancel(errTooLong) })
	defer timer.Stop()
	c.Request = c.Request.WithContext(ctx)
	c.Writer = &hurriedWriter{ResponseWriter: c.Writer, ctx: ctx, begun: func() { timer.Stop() }}
	c.Next()
}

// hurriedWriter says of a fault that came of the deadline what it is, and of every 503
// when to try again. It lifts the deadline once an answer has begun: how long that may take is the server's to say.
type hurriedWriter struct {
	gin.ResponseWriter
	ctx   context.Context
	begun func()
}

// Unwrap is for http.ResponseController.
func (w *hurriedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *hurriedWriter) WriteHeader(status int) {
	if status >= http.StatusInternalServerError && errors.Is(context.Cause(w.ctx), errTooLong) {
		status = http.StatusServiceUnavailable
	}
	if status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", strconv.Itoa(int(idp.BusyWait/time.Second)))
	}
	w.ResponseWriter.WriteHeader(status)
}

// WriteHeaderNow implements gin.ResponseWriter.
func (w *hurriedWriter) WriteHeaderNow() {
	w.begun()
	w.ResponseWriter.WriteHeaderNow()
}

// Write implements http.ResponseWriter.
func (w *hurriedWriter) Write(b []byte) (int, error) {
	w.begun()
	return w.ResponseWriter.Write(b)
}

// WriteString implements io.StringWriter.
func (w *hurriedWriter) WriteString(s string) (int, error) {
	w.begun()
	return w.ResponseWriter.WriteString(s)
}

// Flush implements http.Flusher.
func (w *hurriedWriter) Flush() {
	w.begun()
	w.ResponseWriter.Flush()
}

// TooLong tells whether a request failed because its work took too long.
func TooLong(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errTooLong) }
