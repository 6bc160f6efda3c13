package web_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// A write that waits for the database ends with the context of its request.
func TestWorkThatTakesTooLongIsAnsweredInTimeWith503(t *testing.T) {
	u, err := url.Parse("https://id.example")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := ui.New(ui.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := web.New(web.Config{Issuer: u, UI: pages, API: "/api"})
	engine, err := w.Engine()
	if err != nil {
		t.Fatal(err)
	}
	waits := w.Handle(func(c *gin.Context) error {
		<-c.Request.Context().Done()
		return c.Request.Context().Err()
	})
	engine.GET("/waits", waits)
	engine.GET("/api/waits", waits)
	engine.GET("/garbled", w.Handle(func(c *gin.Context) error {
		<-c.Request.Context().Done()
		return errors.New("a driver's own words for being cancelled")
	}))
	engine.GET("/refused", w.Handle(func(c *gin.Context) error {
		<-c.Request.Context().Done()
		return web.NewProblem(ui.ProblemForbidden, nil)
	}))
	engine.GET("/export", func(c *gin.Context) {
		c.String(http.StatusOK, "first ")
		time.Sleep(10 * web.AnswerWithin)
		if c.Request.Context().Err() == nil {
			c.String(http.StatusOK, "last")
		}
	})
	for path, want := range map[string]int{"/waits": 503, "/api/waits": 503, "/garbled": 503, "/refused": 403, "/export": 200} {
		synctest.Test(t, func(t *testing.T) {
			began, rec := idp.Now(), httptest.NewRecorder()
			engine.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, http.NoBody))
			if retry := rec.Header().Get("Retry-After"); rec.Code != want || (retry != "") != (want == 503) {
				t.Errorf("%s: %d, Retry-After %q", path, rec.Code, retry)
			}
			if took := idp.Now().Sub(began); want == 503 && took != web.AnswerWithin {
				t.Errorf("%s took %s", path, took)
			}
			if path == "/export" && !strings.Contains(rec.Body.String(), "last") {
				t.Error("an answer that had begun was cut")
			}
			if path == "/waits" && !strings.Contains(rec.Body.String(), "We will be right back") {
				t.Errorf("the page says %s", rec.Body)
			}
			if path == "/api/waits" && !strings.Contains(rec.Body.String(), `"status":503`) {
				t.Errorf("%s", rec.Body)
			}
		})
	}
}
