package mfa

import (
	"cmp"
	"slices"

	"gatehouse/idp"
)

// ByStrength are the methods of which a person may have a factor, the strongest first: of two
// that reach the same class, the one that is offered first. What stands in for a factor is none
// of its own.
func ByStrength() []idp.Method {
	list := idsOf(func(m *Method) bool {
		return !m.Upstream && m.Kind != StandIn && m.ACR.Rank() > rankOne
	})
	slices.SortStableFunc(list, func(a, b idp.Method) int { return cmp.Compare(row(b).ACR.Rank(), row(a).ACR.Rank()) })
	return list
}

// OwnFactors are those of ByStrength that people set up: not the mailbox, which everybody has.
func OwnFactors() []idp.Method {
	return slices.DeleteFunc(ByStrength(), func(id idp.Method) bool { return row(id).Kind == Mailbox })
}

// Reaching are those of OwnFactors that can reach a class; of which factors is another question.
func Reaching(acr idp.ACR) []idp.Method {
	return slices.DeleteFunc(OwnFactors(), func(id idp.Method) bool {
		return row(id).ACR.Rank() < acr.Rank() && (row(id).Attests == nil || acr.Rank() > rankHardware)
	})
}

// SetsUp tells whether people of a policy can set up a factor of their own.
func SetsUp(p idp.Policy) bool {
	return slices.ContainsFunc(OwnFactors(), func(id idp.Method) bool { return row(id).On(p) })
}
