package api

import (
	"time"
)

func coverageOperations() []operation {
	const of = "/populations/{population_id}/second-step-reminder"
	return []operation{
		{ID: "getCoverage", Route: "GET /second-step-coverage", Manage: "Coverage", Answer: list{"coverage", Coverage{}}, run: getCoverage},
		{ID: "previewReminder", Route: "GET " + of, Manage: "PreviewReminder", Answer: Reminding{}, run: previewReminder},
		{ID: "remindSecondStep", Route: "POST " + of, Manage: "RemindSecondStep", Body: Reminder{}, Answer: Reminded{}, run: with(remindSecondStep)},
	}
}

// Coverage counts the people of a population by their strongest factor.
type Coverage struct {
	Population string `json:"population"`
	Strongest  string `json:"strongest"`
	Hardware   bool   `json:"hardware"`
	People     int64  `json:"people"`
}

// Reminding is whom a reminder would reach.
type Reminding struct {
	People  int64 `json:"people"`
	Running bool  `json:"running"`
}

// Reminder asks to remind people.
type Reminder struct {
	By     string `json:"by"`
	Reason string `json:"reason" is:"Why"`
}

// Reminded is how many people are told.
type Reminded struct {
	People int64 `json:"people"`
}

func getCoverage(v *call) (any, error) {
	all, err := v.manage.Populations.Coverage(v.ctx, v.actor)
	if err != nil {
		return nil, err
	}
	list := make([]Coverage, len(all))
	for i, c := range all {
		list[i] = Coverage{Population: c.PopulationID, Strongest: string(c.Method), Hardware: c.Hardware, People: c.People}
	}
	return rows(v, list, "", func(c Coverage) Coverage { return c }), nil
}

func previewReminder(v *call) (any, error) {
	r, err := v.manage.Populations.PreviewReminder(v.ctx, v.actor, v.Param("population_id"))
	return Reminding{People: r.People, Running: r.Running}, err
}

func remindSecondStep(v *call, body Reminder) (any, error) {
	due, _ := time.ParseInLocation(time.DateOnly, body.By, time.UTC) // none is refused as too early, once the right is looked at
	people, err := v.manage.Populations.RemindSecondStep(v.ctx, v.actor, v.Param("population_id"), due, body.Reason)
	return Reminded{People: people}, err
}
