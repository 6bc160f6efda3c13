package login

import (
	"fmt"

	"gatehouse/idp"
	"gatehouse/mfa"
)

// SecondSteps are the methods of the table here, and which of them have a set-up.
func SecondSteps() (methods []idp.Method, setUp map[idp.Method]bool) {
	setUp = map[idp.Method]bool{}
	for _, m := range secondSteps() {
		secret := mfa.Of(m.id).NewSecret != nil
		methods, setUp[m.id] = append(methods, m.id), m.setUp != nil && secret == (m.wrong != nil) && secret == (m.enrol == nil && m.post == nil)
	}
	return methods, setUp
}

// WriteToACopy writes to a copy of a sign-in whatever steps write to in place, and returns
// the sign-in as it was and as it is.
func WriteToACopy() (before, after string) {
	s := &signIn{
		flow: idp.Flow{Proofs: []idp.Proof{{Method: idp.MethodPassword}}}, opened: map[string]bool{"factor": true},
		enrolment: idp.Enrolment{Factors: []idp.Factor{{ID: "factor"}}}, notes: Notes{Pending: &pending{Connection: "c"}},
	}
	text := func() string { return fmt.Sprint(s.flow.Proofs, s.opened, s.enrolment.Factors, *s.notes.Pending) }
	before = text()
	c := s.clone()
	c.flow.Proofs[0].Method, c.enrolment.Factors[0].Name, c.opened["factor"] = idp.MethodTOTP, "another", false
	c.notes.Pending.Proved, c.notes.Pending.Tries = true, 3
	return before, text()
}
