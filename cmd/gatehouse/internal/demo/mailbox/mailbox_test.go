package mailbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"strings"
	"testing"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// office is a mailbox on real sockets.
type office struct {
	*Mailbox
	t    *testing.T
	addr *net.TCPAddr
	web  string
}

func newOffice(t *testing.T, opts Options) office {
	t.Helper()
	m, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- m.ServeSMTP(l) }()
	web := httptest.NewServer(m.Handler())
	t.Cleanup(func() {
		web.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return office{m, t, l.Addr().(*net.TCPAddr), web.URL}
}

// send delivers with the library that the provider uses.
func (o office) send(change func(*gomail.Msg), options ...gomail.Option) error {
	o.t.Helper()
	msg := gomail.NewMsg()
	if err := errors.Join(msg.FromFormat("RTX Söluciones", "no-reply@rtx.example"), msg.To("maya@rtx.example")); err != nil {
		o.t.Fatal(err)
	}
	msg.Subject("Your code: 492 039 – grüße")
	msg.SetMessageIDWithValue("one@rtx.example")
	msg.SetDateWithValue(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
	msg.SetBodyString(gomail.TypeTextPlain, "Your code is 492 039.\nIt is valid for 10 minutes – grüße.\n")
	if change != nil {
		change(msg)
	}
	defaults := []gomail.Option{gomail.WithPort(o.addr.Port), gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithTimeout(5 * time.Second)}
	client, err := gomail.NewClient("127.0.0.1", append(defaults, options...)...)
	if err != nil {
		o.t.Fatal(err)
	}
	return client.DialAndSendWithContext(o.t.Context(), msg)
}

func (o office) mustSend(change func(*gomail.Msg), options ...gomail.Option) {
	o.t.Helper()
	if err := o.send(change, options...); err != nil {
		o.t.Fatal(err)
	}
}

func (o office) do(method, path, body string) (int, http.Header, string) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), method, o.web+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(content)
}

func (o office) page(path string, texts ...string) string {
	o.t.Helper()
	status, _, body := o.do("GET", path, "")
	if status != http.StatusOK {
		o.t.Errorf("%s: status %d", path, status)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			o.t.Errorf("%s lacks %q:\n%s", path, text, body)
		}
	}
	return body
}

func (o office) json(path string, into any) {
	o.t.Helper()
	status, _, body := o.do("GET", path, "")
	if status != http.StatusOK {
		o.t.Fatalf("%s: status %d: %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		o.t.Fatalf("%s: %v", path, err)
	}
}

func (o office) list(query string) messageList {
	o.t.Helper()
	var l messageList
	o.json("/api/v1/messages"+query, &l)
	return l
}

const markup = `<style>p{color:red}</style><title>T</title><p>Your code is <b>492 039</b>.</p><script>alert(1)</script>`

func TestMultipart(t *testing.T) {
	o := newOffice(t, Options{})
	o.mustSend(func(m *gomail.Msg) {
		m.AddAlternativeString(gomail.TypeTextHTML, markup)
		m.AttachReadSeeker("codes.txt", strings.NewReader("one\ntwo\n"))
		if err := errors.Join(m.AddToFormat("Ada, the second", "ada@rtx.example"), m.Bcc("hidden@rtx.example")); err != nil {
			t.Fatal(err)
		}
	})
	var got messageDetail
	o.json("/api/v1/message/"+o.list("").Messages[0].ID, &got)
	if want := "Your code is 492 039.\r\nIt is valid for 10 minutes – grüße.\r\n"; got.Text != want {
		t.Errorf("Text %q, want %q", got.Text, want)
	}
	if got.HTML != markup {
		t.Errorf("HTML %q", got.HTML)
	}
	if got.Subject != "Your code: 492 039 – grüße" || got.From != (address{"RTX Söluciones", "no-reply@rtx.example"}) {
		t.Errorf("Subject %q, From %v", got.Subject, got.From)
	}
	if fmt.Sprint(got.To) != "[maya@rtx.example Ada, the second <ada@rtx.example>]" || fmt.Sprint(got.Bcc) != "[hidden@rtx.example]" {
		t.Errorf("To %v, Bcc %v", got.To, got.Bcc)
	}
	if !got.Date.Equal(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)) || got.MessageID != "one@rtx.example" || got.Size == 0 {
		t.Errorf("Date %v, MessageID %q, Size %d", got.Date, got.MessageID, got.Size)
	}
	if len(got.Attachments) != 1 || got.Attachments[0].FileName != "codes.txt" {
		t.Errorf("Attachments %v", got.Attachments)
	}
}

func TestShapes(t *testing.T) {
	o := newOffice(t, Options{})
	_, header, body := o.do("GET", "/api/v1/messages", "")
	want := `{"total":0,"unread":0,"count":0,"messages_count":0,"messages_unread":0,"start":0,"tags":[],"messages":[]}` + "\n"
	if body != want || header.Get("Content-Type") != "application/json" {
		t.Errorf("an empty mailbox answers %s", body)
	}
	o.mustSend(nil)
	var list map[string]any
	o.json("/api/v1/messages", &list)
	message := list["messages"].([]any)[0].(map[string]any)
	for _, name := range []string{
		"ID", "MessageID", "Read", "From", "To", "Cc", "Bcc", "ReplyTo", "Subject", "Created", "Tags", "Size", "Attachments", "Snippet",
	} {
		if message[name] == nil {
			t.Errorf("a listed message has no %s: %v", name, message)
		}
	}
	if to := message["To"].([]any)[0].(map[string]any); to["Address"] != "maya@rtx.example" || to["Name"] != "" {
		t.Errorf("To is %v", to)
	}
	var detail map[string]any
	o.json("/api/v1/message/"+message["ID"].(string), &detail)
	for _, name := range []string{
		"ID", "MessageID", "From", "To", "Cc", "Bcc", "ReplyTo", "ReturnPath", "Subject", "Date", "Text", "HTML", "Size", "Inline", "Attachments",
	} {
		if detail[name] == nil {
			t.Errorf("a message has no %s: %v", name, detail)
		}
	}
}

func TestListing(t *testing.T) {
	o := newOffice(t, Options{})
	for i := range 5 {
		o.mustSend(func(m *gomail.Msg) { m.Subject(fmt.Sprintf("mail %d", i)) })
	}
	l := o.list("?limit=2&start=1")
	if l.Total != 5 || l.Unread != 5 || l.Count != 2 || l.MessagesCount != 5 || l.Start != 1 {
		t.Errorf("list %+v", l)
	}
	if l.Messages[0].Subject != "mail 3" || l.Messages[1].Subject != "mail 2" {
		t.Errorf("not newest first: %v, %v", l.Messages[0].Subject, l.Messages[1].Subject)
	}
	var newest messageDetail
	o.json("/api/v1/message/latest", &newest)
	if newest.Subject != "mail 4" {
		t.Errorf("the latest is %q", newest.Subject)
	}
	if l := o.list(""); l.Unread != 4 || !l.Messages[0].Read || l.Messages[1].Read {
		t.Errorf("after reading one, %d are unread", l.Unread)
	}
	if l := o.list("?limit=x&start=-1"); l.Count != 5 || l.Start != 0 {
		t.Errorf("odd numbers: %+v", l)
	}
	if l := o.list("?start=9"); l.Count != 0 || l.Messages == nil {
		t.Errorf("past the end: %+v", l)
	}
}

func TestDelete(t *testing.T) {
	o := newOffice(t, Options{})
	for range 3 {
		o.mustSend(nil)
	}
	if status, _, _ := o.do("DELETE", "/api/v1/messages", `{"IDs":["`+o.list("").Messages[0].ID+`"]}`); status != http.StatusOK || o.list("").Total != 2 {
		t.Errorf("deleting one: status %d, %d left", status, o.list("").Total)
	}
	if status, _, _ := o.do("DELETE", "/api/v1/messages", `{`); status != http.StatusBadRequest || o.list("").Total != 2 {
		t.Errorf("a broken body: status %d, %d left", status, o.list("").Total)
	}
	if status, _, body := o.do("DELETE", "/api/v1/messages", ""); status != http.StatusOK || body != "ok" || o.list("").Total != 0 {
		t.Errorf("deleting all: status %d, %d left", status, o.list("").Total)
	}
	if status, _, body := o.do("GET", "/api/v1/message/gone", ""); status != http.StatusNotFound || !strings.Contains(body, "Error") {
		t.Errorf("a message that is gone: %d %s", status, body)
	}
}

func TestSearch(t *testing.T) {
	o := newOffice(t, Options{})
	o.mustSend(nil)
	o.mustSend(func(m *gomail.Msg) {
		m.Subject("Reset your password")
		if err := m.To("ada@rtx.example"); err != nil {
			t.Fatal(err)
		}
	})
	for query, want := range map[string]int{
		"to:maya@rtx.example": 1, "to:MAYA": 1, "to:rtx": 2, "subject:code": 1, `subject:"your+password"`: 1,
		"to:ada+subject:code": 0, "492": 2, "from:no-reply": 2, "nothing": 0, "": 2,
	} {
		var l messageList
		o.json("/api/v1/search?query="+query, &l)
		if l.MessagesCount != want || l.Count != want || l.Total != 2 {
			t.Errorf("%q finds %d, want %d (total %d)", query, l.MessagesCount, want, l.Total)
		}
	}
}

func TestLimits(t *testing.T) {
	o := newOffice(t, Options{})
	err := o.send(func(m *gomail.Msg) {
		m.SetBodyString(gomail.TypeTextPlain, strings.Repeat("x", maxMessageBytes))
	})
	if err == nil || !strings.Contains(err.Error(), "552") {
		t.Errorf("a message over 1 MiB: %v", err)
	}
	if n := o.list("").Total; n != 0 {
		t.Errorf("%d messages were kept", n)
	}
	for i := range maxMessages + 5 {
		o.mail.add(letter{ID: fmt.Sprint(i), Size: 1})
	}
	if l := o.list("?limit=5000"); l.Total != maxMessages || l.Messages[maxMessages-1].ID != "5" || o.mail.bytes != maxMessages {
		t.Errorf("%d messages kept, oldest %s", l.Total, l.Messages[len(l.Messages)-1].ID)
	}
	o.mail.add(letter{ID: "huge", Size: maxStoredBytes - 2})
	if l := o.list(""); l.Total != 3 {
		t.Errorf("%d messages kept beside a huge one", l.Total)
	}
}

func TestAuth(t *testing.T) {
	o := newOffice(t, Options{})
	o.mustSend(nil, gomail.WithSMTPAuth(gomail.SMTPAuthPlainNoEnc), gomail.WithUsername("any"), gomail.WithPassword("thing"))
	if n := o.list("").Total; n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestStartTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	o := newOffice(t, Options{TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}})
	o.mustSend(nil, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithTLSConfig(&tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}))
	if n := o.list("").Total; n != 1 {
		t.Errorf("%d messages", n)
	}
}

// raw delivers bytes as they are.
func (o office) raw(body string) letter {
	o.t.Helper()
	body = strings.ReplaceAll(body, "\n", "\r\n")
	if err := smtp.SendMail(o.addr.String(), nil, "from@rtx.example", []string{"maya@rtx.example"}, []byte(body)); err != nil {
		o.t.Fatal(err)
	}
	l, _ := o.mail.open(newest)
	return l
}

func TestOddMessages(t *testing.T) {
	o := newOffice(t, Options{})
	tests := []struct{ name, raw, subject, text, html string }{
		{"no MIME", "Subject: plain\n\nhello\n", "plain", "hello", ""},
		{"latin-1", "Subject: =?iso-8859-1?q?gr=FC=DFe?=\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\ngr=FC=DFe\n", "grüße", "grüße", ""},
		{"base64 HTML", "Subject: b\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\nPHA+aGk8L3A+\n", "b", "", "<p>hi</p>"},
		{"unknown charset", "Subject: c\nContent-Type: text/plain; charset=martian\n\nhi\n", "c", "hi", ""},
		{"unknown encoding", "Subject: d\nContent-Transfer-Encoding: rot13\n\nuv\n", "d", "uv", ""},
		{"no header", "\nbody alone\n", "", "body alone", ""},
		{"broken header", "this is no header\n\nbody\n", "", "this is no header", ""},
		{"unfinished multipart", "Subject: e\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhalf\n", "e", "half", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := o.raw(test.raw)
			if l.Subject != test.subject || !strings.Contains(l.Text, test.text) || !strings.Contains(l.HTML, test.html) {
				t.Errorf("subject %q, text %q, html %q", l.Subject, l.Text, l.HTML)
			}
			o.page("/view/" + l.ID)
		})
	}
}

func TestDeepMessage(t *testing.T) {
	var raw strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&raw, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	began := now()
	parse([]byte(strings.ReplaceAll(raw.String(), "\n", "\r\n")), envelope{})
	if took := now().Sub(began); took > 5*time.Second {
		t.Errorf("parsing took %s", took)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("Subject: =?utf-8?q?x?=\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n--x--\r\n"))
	f.Add([]byte("To: a, b <c@rtx.example\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if l := parse(raw, envelope{"from@rtx.example", []string{"maya@rtx.example"}}); l.Size != len(raw) || l.ID == "" {
			t.Errorf("parsed to %+v", l)
		}
	})
}

func TestPages(t *testing.T) {
	o := newOffice(t, Options{})
	o.page("/", "No mail yet")
	o.mustSend(func(m *gomail.Msg) {
		m.SetBodyString(gomail.TypeTextPlain, "<b>Reset</b>: https://id.rtx.example/reset?a=1&b=2. Thanks")
		m.AddAlternativeString(gomail.TypeTextHTML, markup)
	})
	id := o.list("").Messages[0].ID
	o.page("/", "1 message, 1 unread", "Your code: 492 039 – grüße", "/view/"+id, "&lt;b&gt;Reset")
	o.page("/?query=nobody", "Nothing found")
	body := o.page("/view/"+id, `sandbox="" src="/view/`+id+`/html"`, "&lt;b&gt;Reset&lt;/b&gt;",
		`<a href="https://id.rtx.example/reset?a=1&amp;b=2" target="_blank"`, "Message-Id")
	if strings.Contains(body, "<script") || strings.Contains(body, "style=") {
		t.Error("the message's HTML reached the page")
	}
	_, header, html := o.do("GET", "/view/"+id+"/html", "")
	csp := header.Get("Content-Security-Policy")
	if html != markup || !strings.HasPrefix(csp, "sandbox; default-src 'none'; style-src 'unsafe-inline';") || strings.Contains(csp, "script") {
		t.Errorf("the HTML part comes with %q", csp)
	}
	if status, _, _ := o.do("GET", "/view/gone", ""); status != http.StatusNotFound {
		t.Errorf("a message that is gone: %d", status)
	}
	if _, header, _ := o.do("GET", o.pages.stylesheet, ""); !strings.HasPrefix(header.Get("Content-Type"), "text/css") {
		t.Errorf("stylesheet: %v", header)
	}
	o.page("/healthz", "ok")
	if status, _, body := o.do("POST", "/clear", ""); status != http.StatusOK || !strings.Contains(body, "No mail yet") {
		t.Errorf("clearing: %d", status)
	}
}

func TestOtherSitesCannotDelete(t *testing.T) {
	o := newOffice(t, Options{})
	for _, r := range []*http.Request{
		httptest.NewRequest("DELETE", o.web+"/api/v1/messages", nil), httptest.NewRequest("POST", o.web+"/clear", nil),
	} {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		rec := httptest.NewRecorder()
		if o.Handler().ServeHTTP(rec, r); rec.Code != http.StatusForbidden {
			t.Errorf("%s %s from another site: %d", r.Method, r.URL.Path, rec.Code)
		}
	}
}

func TestPaging(t *testing.T) {
	o := newOffice(t, Options{})
	for i := range 60 {
		o.mail.add(letter{ID: fmt.Sprint(i), Subject: fmt.Sprintf("mail %d.", i)})
	}
	o.page("/", "mail 59.", "mail 10.", "/?limit=50&amp;start=50")
	if body := o.page("/?limit=50&start=50", "mail 9.", "/?limit=50&amp;start=0"); strings.Contains(body, "Older") {
		t.Error("the last page leads further")
	}
}

func TestCloseCutsIdleConversations(t *testing.T) {
	o := newOffice(t, Options{})
	conn, err := net.Dial("tcp", o.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := o.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close answers %v", err)
	}
	if err := conn.SetReadDeadline(now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		t.Error("the conversation goes on after Close")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := o.ServeSMTP(l); err != nil {
		t.Errorf("serving after Close: %v", err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
