package login

import (
	"context"
	"slices"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// secondStep is how one method of second steps is asked for, checked, counted and set up.
// What a proof by it is worth stands in the table of package mfa, under the same id, and
// what people read under keys that end in it. Its answers go to /login/<flow>/<id>, and
// wrong ones are counted under throttle.Kind(id).
type secondStep struct {
	id idp.Method
	// page asks for a code.
	page func(l *Login, c *gin.Context, s *signIn, p codePage, state NeedCode) error
	// enter does what being asked brings, such as sending a code; nil for nothing.
	enter func(l *Login, ctx context.Context, s *signIn) error
	// problem is what is wrong with what cannot be a code. It is no guess, and not counted.
	problem func(typed string) *ui.Message
	// guess readies the check of a code. Without ids there is nothing to compare it with.
	guess func(l *Login, ctx context.Context, s *signIn) (guess, error)
	// wrong is what to say of an answer that mfa.Method.Match refused; for possessions.
	wrong func(error) *ui.Message
	// refused and throttled are what the audit log calls a wrong code, and one too many.
	refused, throttled idp.AuditKind
	// post takes an answer in place of guess, and enrol the one that confirms a set-up, where
	// it is no code; nil for codes.
	post  func(l *Login, c *gin.Context, s *signIn) error
	enrol func(l *Login, c *gin.Context, s *signIn, state NeedEnrolment) error
	// setUp is the page on which people set one up: what it is about before they begin, and
	// then what mfa.Method.NewSecret made. Nil for what everybody has, or comes with another.
	setUp func(l *Login, c *gin.Context, s *signIn, state NeedEnrolment, p enrolPage) error
}

// secondSteps is the table of them.
func secondSteps() []secondStep {
	return []secondStep{
		{
			id: idp.MethodTOTP, page: (*Login).renderTOTP, problem: web.CodeProblem,
			guess: possession(idp.MethodTOTP), wrong: codeError,
			refused: idp.AuditCodeRefused, throttled: idp.AuditCodeThrottled,
			setUp: (*Login).renderTOTPSetUp,
		},
		{
			id: idp.MethodPasskey, page: (*Login).renderPasskey, post: (*Login).postPasskey,
			enrol: (*Login).enrolPasskey, setUp: (*Login).renderPasskeySetUp,
			refused: idp.AuditPasskeyRefused, throttled: idp.AuditPasskeyThrottled,
		},
		{
			id: idp.MethodEmail, page: (*Login).renderEmail, enter: (*Login).prepareEmail, problem: web.CodeProblem,
			guess:   (*Login).guessEmail,
			refused: idp.AuditEmailRefused, throttled: idp.AuditEmailThrottled,
		},
		{
			id: idp.MethodRecovery, page: (*Login).renderRecovery, problem: recoveryProblem,
			guess:   (*Login).guessRecovery,
			refused: idp.AuditRecoveryRefused, throttled: idp.AuditRecoveryThrottled,
		},
	}
}

// secondStepOf is the row of a method, which package mfa offers no other of.
func secondStepOf(m idp.Method) secondStep {
	list := secondSteps()
	return list[slices.IndexFunc(list, func(s secondStep) bool { return s.id == m })]
}

// methods are the buttons for every other method that will do, or that the person
// may turn to.
func (l *Login) methods(s *signIn, state NeedCode, current idp.Method) []ui.Method {
	var list []ui.Method
	for _, m := range state.Methods {
		if m != current {
			list = append(list, l.method(s, "method.use.", m))
		}
	}
	return append(list, l.instead(s, state.Instead)...)
}

// instead are the buttons for what will do in place of what was chosen.
func (l *Login) instead(s *signIn, methods []idp.Method) []ui.Method {
	var list []ui.Method
	for _, m := range methods {
		list = append(list, l.method(s, setUpOr(m, "method.instead."), m))
	}
	return list
}

// setUpOr is where the label of a method stands that is set up first, or that is used at
// once.
func setUpOr(m idp.Method, used string) string {
	if mfa.Of(m).Kind == mfa.Possession {
		return "method.set_up."
	}
	return used
}

func (l *Login) method(s *signIn, label string, m idp.Method) ui.Method {
	return ui.Method{Label: *ui.MethodKey(label, string(m)).With(), Action: l.action(s, "method"), Name: "method", Value: string(m)}
}
