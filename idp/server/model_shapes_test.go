package server_test

import (
	"slices"

	"pgregory.net/rapid"

	"gatehouse/idp/manage/authz"
)

// shape leans a draw towards one way to more than the attacker holds: a way takes several
// draws to come together, and most of them do not by chance. Whatever it leaves open is
// drawn, and what comes after its steps as well.
type shape struct {
	name string
	// takes are the operations of the way: the attacker holds a permission for each of
	// them, and little more. Without any, their permissions are drawn.
	takes []string
	// where answers questions of the draw, by their names.
	where map[string]bool
	// ways are those of accounts for newcomers; any, if it has none.
	ways []string
	// steps are the first operations, which concern the first of the people.
	steps []string
}

// oneOf draws one of a list, each as often: rapid by itself prefers the first ones.
func oneOf(r *rapid.T, list []string, label string) string {
	return list[fair.Draw(r, label)%len(list)]
}

var fair = rapid.Custom(func(r *rapid.T) (n int) {
	for range 8 {
		n *= 2
		if rapid.Bool().Draw(r, "bit") {
			n++
		}
	}
	return n
})

// is answers a question of the draw.
func (w *intrigue) is(question string) bool {
	if answer, said := w.shape.where[question]; said {
		return answer
	}
	return rapid.Bool().Draw(w.r, question)
}

// permissions are those that the operations take, and at most one more.
func (s shape) permissions(r *rapid.T) []string {
	var list []string
	more := func(of []string, label string) {
		if p := rapid.SampledFrom(of).Draw(r, label); !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	for _, op := range s.takes {
		more(authz.Operations()[op], "permission for "+op)
	}
	return list
}

// step takes the steps of the shape.
func (w *intrigue) step() {
	w.stepping = true
	for _, name := range w.shape.steps {
		w.operations()[name]()
	}
	w.stepping = false
	w.note()
}

func in(lists ...map[string]bool) map[string]bool {
	all := map[string]bool{}
	for _, list := range lists {
		for question, answer := range list {
			all[question] = answer
		}
	}
	return all
}

// What shapes have in common.
var (
	nobodys = map[string]bool{"somebody without permissions": true, "a contact": false}
	// byPassword: a password alone signs in, or is asked for what can be set up with it.
	bare = map[string]bool{"has an authenticator": false, "email codes count": false}
	// phone: an authenticator is asked for everywhere.
	phone = map[string]bool{
		"has an authenticator": true, "authenticators count": true, "email codes count": false, "an app asks for a password alone": false,
	}
	// upstream: the second step is the other side's.
	upstream = map[string]bool{"comes by Entra": true, "it counts as a second step": true}
	// open: agents come through connections.
	open = map[string]bool{"agents come by password alone": false}
	// theirsToo: so do those of the attacker's directory.
	theirsToo = map[string]bool{"it counts as a second step": false, "their directory is admitted": true}
	newcomer  = map[string]bool{
		"they prepare accounts": true, "their directory is admitted": false, "agents come by password alone": false,
		"email codes count": false, "the attacker has an authenticator": false, "they came by Entra": false,
		"the connection is switched off": false,
	}
)

var shapes = []shape{
	{name: "any"},
	{
		name: "a password for who comes from elsewhere", takes: []string{"SetPassword"}, where: in(nobodys, bare, upstream),
		steps: []string{"set a password"},
	},
	{
		name: "a password where no second step is asked for", takes: []string{"SetPassword"},
		where: in(nobodys, map[string]bool{"has an authenticator": true, "an app asks for a password alone": true}),
		steps: []string{"set a password"},
	},
	{
		name: "a password where no email code is asked for", takes: []string{"SetPassword"},
		where: in(nobodys, map[string]bool{
			"has an authenticator": false, "email codes count": true, "the attacker reads their mail": false, "an app asks for a password alone": true,
		}),
		steps: []string{"set a password"},
	},
	{
		name: "their address", takes: []string{"UpdateUser"},
		where: in(nobodys, map[string]bool{"has an authenticator": false, "email codes count": true, "the attacker reads their mail": false}),
		steps: []string{"move an address"},
	},
	{
		name: "an account elsewhere", takes: []string{"LinkIdentity", "AddConnection"},
		where: in(nobodys, open, phone, map[string]bool{"with the domain": false}),
		steps: []string{"add a connection of their own", "link themselves"},
	},
	{
		name: "no account elsewhere", takes: []string{"UnlinkIdentity", "SetPassword"}, where: in(nobodys, bare, upstream),
		steps: []string{"unlink", "set a password"},
	},
	{
		name: "no connection", takes: []string{"DeleteConnection", "SetPassword"}, where: in(nobodys, bare, upstream),
		steps: []string{"delete the connection", "set a password"},
	},
	{
		name: "more trust for their directory", takes: []string{"UpdateConnection"},
		where: in(nobodys, open, theirsToo, phone, map[string]bool{"comes by Entra": true, "from their directory": true}),
		steps: []string{"trust the connection"},
	},
	{
		name: "a connection that was off", takes: []string{"UpdateConnection"},
		where: in(nobodys, open, theirsToo, bare, map[string]bool{
			"comes by Entra": true, "from their directory": true, "the connection is switched off": true, "the attacker reads their mail": false,
		}),
		steps: []string{"switch the connection on"},
	},
	{
		name: "a way that was closed", takes: []string{"SaveAccess"},
		where: in(nobodys, theirsToo, bare, map[string]bool{
			"agents come by password alone": true, "its domain is named": true, "comes by Entra": false, "the attacker reads their mail": false,
			"the connection is switched off": false,
		}),
		steps: []string{"let agents come through it"},
	},
	{
		name: "a way that was closed, for who is linked", takes: []string{"SaveAccess"},
		where: in(nobodys, theirsToo, bare, map[string]bool{
			"agents come by password alone": true, "its domain is named": false, "comes by Entra": true, "from their directory": true,
			"the attacker reads their mail": false, "the connection is switched off": false,
		}),
		steps: []string{"let agents come through it"},
	},
	{
		name: "addresses of a connection of their own", takes: []string{"AddConnection", "LinkIdentity"},
		where: in(phone, map[string]bool{"a contact": true, "somebody without permissions": true, "with the domain": true, "the attacker reads their mail": false}),
		steps: []string{"add a connection of their own"},
	},
	{
		name: "a mailbox", takes: []string{"AddConnection"},
		where: in(nobodys, open, phone, map[string]bool{"the attacker reads their mail": true, "comes by Entra": false, "with the domain": false, "a provider of their own": false}),
		steps: []string{"add a connection of their own"},
	},
	{name: "an app", takes: []string{"UpdateClient", "AddClientSecret"}, steps: []string{"point an app at themselves", "add a secret"}},
	{
		name: "an account for a newcomer", takes: []string{"AddUser"}, where: in(newcomer, map[string]bool{"they wait for roles": true}),
	},
	{
		name: "a password for a newcomer", takes: []string{"SetPassword"}, where: in(newcomer),
		ways: []string{firstPassword, laterPassword},
	},
	{
		name: "a password for who came", takes: []string{"SetPassword"}, where: in(newcomer, map[string]bool{"they wait for roles": false}),
		ways: []string{afterPassword},
	},
	{
		name: "an account elsewhere for who came", takes: []string{"LinkIdentity"}, where: in(newcomer, map[string]bool{"they wait for roles": false}),
		ways: []string{afterLinked},
	},
	{
		name: "a newcomer's address", takes: []string{"UpdateUser"}, where: in(newcomer, map[string]bool{"they wait for roles": false}),
		ways: []string{movedSelf, movedOther},
	},
	{
		name: "a newcomer's account elsewhere", takes: []string{"LinkIdentity"}, where: in(newcomer),
		ways: []string{ownerLinked},
	},
	{name: "what was given", where: map[string]bool{"an admin acts": true}},
}
