package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// HeadAsGet answers HEAD as GET is answered, which RFC 9110 section 9.3.2 asks for: the
// same status and headers, whichever route it is. net/http sends no body to a request
// that came as HEAD. Load balancers, uptime checks and mail scanners ask so.
func HeadAsGet(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			get := *r
			get.Method = http.MethodGet
			r = &get
		}
		h.ServeHTTP(w, r)
	})
}

// allowHead adds HEAD to the methods of a page that has GET.
func allowHead(c *gin.Context) {
	if allow := strings.Split(c.Writer.Header().Get("Allow"), ", "); slices.Contains(allow, http.MethodGet) {
		c.Header("Allow", strings.Join(append(allow, http.MethodHead), ", "))
	}
}
