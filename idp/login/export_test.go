package login

import "gatehouse/idp"

// SecondSteps are the methods of the table here, and which of them have a set-up.
func SecondSteps() (methods []idp.Method, setUp map[idp.Method]bool) {
	setUp = map[idp.Method]bool{}
	for _, m := range secondSteps() {
		methods, setUp[m.id] = append(methods, m.id), m.setUp != nil && m.wrong != nil
	}
	return methods, setUp
}
