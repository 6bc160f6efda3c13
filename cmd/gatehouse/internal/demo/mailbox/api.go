package mailbox

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	defaultLimit = 50 // Mailpit's
	maxBody      = 64 << 10
)

// The names in these types are Mailpit's, so that what reads one reads the other.

type messageList struct {
	Total          int              `json:"total"`
	Unread         int              `json:"unread"`
	Count          int              `json:"count"`
	MessagesCount  int              `json:"messages_count"`
	MessagesUnread int              `json:"messages_unread"`
	Start          int              `json:"start"`
	Tags           []string         `json:"tags"`
	Messages       []messageSummary `json:"messages"`
}

type messageSummary struct {
	ID          string
	MessageID   string
	Read        bool
	From        address
	To          []address
	Cc          []address
	Bcc         []address
	ReplyTo     []address
	Subject     string
	Created     time.Time
	Tags        []string
	Size        int
	Attachments int
	Snippet     string
}

type messageDetail struct {
	ID          string
	MessageID   string
	From        address
	To          []address
	Cc          []address
	Bcc         []address
	ReplyTo     []address
	ReturnPath  string
	Subject     string
	Date        time.Time
	Tags        []string
	Text        string
	HTML        string
	Size        int
	Inline      []attachment
	Attachments []attachment
}

// listMessages answers GET /api/v1/messages and /api/v1/search.
func (m *Mailbox) listMessages(w http.ResponseWriter, r *http.Request) {
	start, limit := window(r)
	found := m.mail.list(r.URL.Query().Get("query"), start, limit)
	list := messageList{
		Total: found.total, Unread: found.unread, Count: len(found.letters),
		MessagesCount: found.matches, MessagesUnread: found.unseen,
		Start: start, Tags: []string{}, Messages: []messageSummary{},
	}
	for _, l := range found.letters {
		list.Messages = append(list.Messages, l.summary())
	}
	writeJSON(w, http.StatusOK, list)
}

// window reads start and limit; what is not a sensible number is the default.
func window(r *http.Request) (start, limit int) {
	start, err := strconv.Atoi(r.URL.Query().Get("start"))
	if err != nil || start < 0 {
		start = 0
	}
	limit, err = strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit <= 0 {
		limit = defaultLimit
	}
	return start, min(limit, maxMessages)
}

func (m *Mailbox) showMessage(w http.ResponseWriter, r *http.Request) {
	l, ok := m.mail.open(r.PathValue("id"))
	if !ok {
		writeJSON(w, http.StatusNotFound, apiError{"message not found"})
		return
	}
	writeJSON(w, http.StatusOK, l.detail())
}

// deleteMessages deletes the messages whose IDs the body names; all without a body.
func (m *Mailbox) deleteMessages(w http.ResponseWriter, r *http.Request) {
	var named struct{ IDs []string }
	if err := json.NewDecoder(r.Body).Decode(&named); err != nil && !errors.Is(err, io.EOF) {
		writeJSON(w, http.StatusBadRequest, apiError{`the body must be like {"IDs": ["…"]}, or empty`})
		return
	}
	m.mail.remove(named.IDs)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok"))
}

type apiError struct{ Error string }

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the connection is gone
}

func (l letter) summary() messageSummary {
	return messageSummary{
		ID: l.ID, MessageID: l.MessageID, Read: l.Read,
		From: l.From, To: list(l.To), Cc: list(l.Cc), Bcc: list(l.Bcc), ReplyTo: list(l.ReplyTo),
		Subject: l.Subject, Created: l.Created, Tags: []string{},
		Size: l.Size, Attachments: len(l.Attachments), Snippet: l.Snippet,
	}
}

func (l letter) detail() messageDetail {
	return messageDetail{
		ID: l.ID, MessageID: l.MessageID,
		From: l.From, To: list(l.To), Cc: list(l.Cc), Bcc: list(l.Bcc), ReplyTo: list(l.ReplyTo),
		ReturnPath: l.ReturnPath, Subject: l.Subject, Date: l.Date, Tags: []string{},
		Text: l.Text, HTML: l.HTML, Size: l.Size,
		Inline: []attachment{}, Attachments: list(l.Attachments),
	}
}

// list is never null in JSON.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
