// Command preview serves an example of every page and mail, to look at them
// while working on templates and styles. It writes the mails as files too.
package main

import (
	"flag"
	"fmt"
	"html"
	"log"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gatehouse/ui"
	"gatehouse/ui/internal/sample"
)

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"form-action 'self'; base-uri 'none'"

func main() {
	addr := flag.String("addr", "localhost:8090", "address to listen on")
	mails := flag.String("mails", filepath.Join(os.TempDir(), "gatehouse-mails"), "folder for the mails, none when empty")
	flag.Parse()
	pages, err := ui.New(ui.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if *mails != "" {
		if err := writeMails(pages, *mails); err != nil {
			log.Fatal(err)
		}
		log.Printf("mails are in %s", *mails)
	}
	http.Handle("/assets/", pages.Assets())
	http.HandleFunc("/{$}", index)
	http.HandleFunc("/preview/{name}", func(w http.ResponseWriter, r *http.Request) {
		page, ok := sample.Pages()[r.PathValue("name")]
		if !ok {
			page = ui.ProblemNotFound.Page(ui.Frame{})
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		if err := pages.RenderFor(w, page, ui.Reader{Lang: r.FormValue("lang"), Here: r.URL.RequestURI()}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	http.HandleFunc("/mail/{name}", serveMail(pages))
	log.Printf("http://%s/", *addr)
	server := &http.Server{Addr: *addr, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	for _, name := range slices.Sorted(maps.Keys(sample.Pages())) {
		name = html.EscapeString(name)
		fmt.Fprintf(w, "<p><a href=\"/preview/%s\">%s</a></p>\n", name, name)
	}
	for _, name := range slices.Sorted(maps.Keys(sample.Mails())) {
		name = html.EscapeString(name)
		fmt.Fprintf(w, "<p>mail <a href=\"/mail/%s.html\">%s</a>, <a href=\"/mail/%s.txt\">text</a></p>\n", name, name, name)
	}
}
