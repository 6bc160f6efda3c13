package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"gatehouse/ui"
	"gatehouse/ui/internal/sample"
)

// Mails bring their styles inline and logos from elsewhere.
const mailPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src https:"

// writeMails writes every example as NAME.html and NAME.txt into a folder.
func writeMails(u *ui.UI, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for name, mail := range sample.Mails() {
		letter, err := u.WriteMail(mail)
		if err != nil {
			return err
		}
		for ext, body := range map[string]string{".html": letter.HTML, ".txt": withSubject(letter)} {
			if err := os.WriteFile(filepath.Join(dir, name+ext), []byte(body), 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

func withSubject(letter ui.Letter) string {
	return "Subject: " + letter.Subject + "\n\n" + letter.Text
}

// serveMail shows one example, as HTML or as text by the end of its name.
func serveMail(u *ui.UI) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, ext, _ := strings.Cut(r.PathValue("name"), ".")
		mail, ok := sample.Mails()[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if lang := r.FormValue("lang"); lang != "" {
			mail.Lang = lang
		}
		letter, err := u.WriteMail(mail)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Security-Policy", mailPolicy)
		if ext == "txt" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			fmt.Fprint(w, withSubject(letter))
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, letter.HTML)
	}
}
