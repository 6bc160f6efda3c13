package ui

import (
	"slices"
	"time"
)

// ConsoleOverview is where the console begins. What the viewer may not see is left empty.
type ConsoleOverview struct {
	Console
	Checks  []Check
	Figures []Figure
	// CountedAt is when the people were counted; zero: not yet.
	CountedAt time.Time
	// ShowNeeds: Needs are all that is wrong, and none says that nothing is.
	ShowNeeds bool
	Needs     []Need
	// Trend are the last days, nil for those who may not see it.
	Trend *Trend
	// Coverage is how people are protected, an entry for each user group.
	Coverage []CoverageRow
	// Groups and Apps are what is asked at sign-in: of people, and where an app has its own rule.
	Groups  []GroupRules
	Apps    []AppRow
	AppsURL string // all apps, absent when empty
}

func (p ConsoleOverview) about() about { return about{template: "console-overview", console: true} }

// StepsLeft tells whether a first step is not done.
func (p ConsoleOverview) StepsLeft() bool {
	return slices.ContainsFunc(p.Checks, func(c Check) bool { return !c.Done })
}

// Need is something that needs a look.
type Need struct {
	Text Message
	URL  string
	// Soon: nothing fails yet.
	Soon bool
}

// GroupRules is what is asked of a user group at sign-in, and where each is changed.
type GroupRules struct {
	Name                               string
	Access, Passwords                  Message
	Methods                            []Message // the second steps, none for none
	AccessURL, PolicyURL, PasswordsURL string
}

// CoverageRow counts the people of a user group by their strongest second factor.
type CoverageRow struct {
	Name    string
	Counts  []CoverageCount
	NoneURL string // the list of those without any, absent when empty
}

// CoverageCount is how many people have one factor at most.
type CoverageCount struct {
	Text   Message
	People int64
	None   bool // it counts those without any
}

// People are all of a user group.
func (r CoverageRow) People() (n int64) {
	for _, c := range r.Counts {
		n += c.People
	}
	return n
}

// Percent is the share of a count in all. One that is not all, or not none, does not look so.
func (r CoverageRow) Percent(c CoverageCount) int {
	all := r.People()
	switch {
	case c.People == 0 || all == 0:
		return 0
	case c.People == all:
		return 100
	}
	return int(min(max((c.People*100+all/2)/all, 1), 99))
}
