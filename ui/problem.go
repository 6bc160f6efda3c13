package ui

import "net/http"

// Problem is every page that says something did not work. Kinds that are
// known come from ProblemKind.Page.
type Problem struct {
	Frame
	Status    int     // HTTP status, for the handler; shown small
	Heading   Message // what happened, in a few words
	Text      Message // what happened
	What      Message // what to do now
	RequestID string  // to quote to support, may be empty
	BackURL   string  // way out, absent when empty
	BackLabel Message // its label; MsgBack when empty
}

func (p Problem) about() about { return about{template: "problem", failed: false} }

// ProblemKind names a problem that has texts of its own.
type ProblemKind string

// The problems a person can meet.
const (
	ProblemFlowExpired    ProblemKind = "flow_expired"      // the sign-in took too long
	ProblemLink           ProblemKind = "link"              // a link that works once was used, or is too old
	ProblemResetLink      ProblemKind = "reset_link"        // the same, of a link to set a password
	ProblemInvitation     ProblemKind = "invitation_link"   // the same, of an invitation
	ProblemRegistration   ProblemKind = "registration_link" // the same, of a registration
	ProblemOtherBrowser   ProblemKind = "other_browser"     // the flow belongs to another browser
	ProblemOpenedDirectly ProblemKind = "opened_directly"   // no portal sent the person here
	ProblemOtherTab       ProblemKind = "other_tab"         // the flow moved on in another tab
	ProblemFinished       ProblemKind = "finished"          // the flow is done
	ProblemCookies        ProblemKind = "cookies"           // no cookie came back
	ProblemUnknownApp     ProblemKind = "unknown_app"       // client_id is not known
	ProblemRedirect       ProblemKind = "redirect"          // redirect_uri is not registered
	ProblemBadRequest     ProblemKind = "bad_request"       // the request makes no sense
	ProblemMicrosoft      ProblemKind = "microsoft"         // Microsoft sign-in did not finish
	ProblemForbidden      ProblemKind = "forbidden"         // signed in, but not allowed
	ProblemNotFound       ProblemKind = "not_found"         // no such page
	ProblemMethod         ProblemKind = "method"            // wrong HTTP method
	ProblemTooLarge       ProblemKind = "too_large"         // the form is too big
	ProblemTooMany        ProblemKind = "too_many"          // too many requests
	ProblemBusy           ProblemKind = "busy"              // too much to do for it to be begun
	ProblemUnreadable     ProblemKind = "unreadable"        // its master key is lost, or it is damaged
	ProblemServer         ProblemKind = "server"            // our fault
	ProblemUnavailable    ProblemKind = "unavailable"       // our fault, for a moment
)

var problemStatus = map[ProblemKind]int{
	ProblemFlowExpired:    http.StatusGone,
	ProblemLink:           http.StatusGone,
	ProblemResetLink:      http.StatusGone,
	ProblemInvitation:     http.StatusGone,
	ProblemRegistration:   http.StatusGone,
	ProblemOtherBrowser:   http.StatusForbidden,
	ProblemOpenedDirectly: http.StatusBadRequest,
	ProblemOtherTab:       http.StatusConflict,
	ProblemFinished:       http.StatusGone,
	ProblemCookies:        http.StatusBadRequest,
	ProblemUnknownApp:     http.StatusBadRequest,
	ProblemRedirect:       http.StatusBadRequest,
	ProblemBadRequest:     http.StatusBadRequest,
	ProblemMicrosoft:      http.StatusBadGateway,
	ProblemForbidden:      http.StatusForbidden,
	ProblemNotFound:       http.StatusNotFound,
	ProblemMethod:         http.StatusMethodNotAllowed,
	ProblemTooLarge:       http.StatusRequestEntityTooLarge,
	ProblemTooMany:        http.StatusTooManyRequests,
	ProblemBusy:           http.StatusServiceUnavailable,
	ProblemUnreadable:     http.StatusConflict,
	ProblemServer:         http.StatusInternalServerError,
	ProblemUnavailable:    http.StatusServiceUnavailable,
}

// ProblemKinds lists every kind.
func ProblemKinds() []ProblemKind {
	kinds := make([]ProblemKind, 0, len(problemStatus))
	for kind := range problemStatus {
		kinds = append(kinds, kind)
	}
	return kinds
}

// LeadsNowhere tells whether the person opened an address that goes on to nothing.
func (k ProblemKind) LeadsNowhere() bool {
	return k == ProblemNotFound || k == ProblemOpenedDirectly || k == ProblemMethod
}

// Page fills in status and texts of the kind. An unknown kind is a server
// error.
func (k ProblemKind) Page(f Frame) Problem {
	status, ok := problemStatus[k]
	if !ok {
		k, status = ProblemServer, http.StatusInternalServerError
	}
	part := func(name string) Message { return Message{Key: Key("problem." + string(k) + "." + name)} }
	return Problem{Frame: f, Status: status, Heading: part("heading"), Text: part("text"), What: part("what")}
}
