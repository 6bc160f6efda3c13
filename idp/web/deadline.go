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
// without a reason; and more than a client waits that then asks again.
const AnswerWithin = 20 * time.Second

// errTooLong is the cause of a request's context that ended by AnswerWithin.
var errTooLong = errors.New("the work on the request took too long")

// hurry gives each request a deadline. Whatever fails by it, most of all a write that
// waits for the database, is answered with 503 and Retry-After.
func (w *Web) hurry(c *gin.Context) {
	ctx, cancel := context.WithCancelCause(c.Request.Context())
	defer cancel(nil)
	timer := time.AfterFunc(w.cfg.AnswerWithin, func() { cancel(errTooLong) })
	defer timer.Stop()
	late := &overdue{Context: ctx, done: make(chan struct{})}
	context.AfterFunc(ctx, func() { close(late.done) })
	c.Request = c.Request.WithContext(late)
	c.Writer = &hurriedWriter{ResponseWriter: c.Writer, ctx: ctx, begun: func() { timer.Stop() }}
	c.Next()
}

// overdue is a context with a deadline that can be lifted. Those of the standard library
// that can be ended are cancelled, and what fails by that would say that the client went
// away. Its channel is its own: else contexts derived from it would ask the inner one why
// it ended.
type overdue struct {
	context.Context
	done chan struct{}
}

// Done implements context.Context.
func (o *overdue) Done() <-chan struct{} { return o.done }

// Err implements context.Context.
func (o *overdue) Err() error {
	err := o.Context.Err()
	if err != nil && errors.Is(context.Cause(o.Context), errTooLong) {
		return context.DeadlineExceeded
	}
	return err
}

// AfterFunc spares derived contexts a goroutine each.
func (o *overdue) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(o.Context, f) }

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
