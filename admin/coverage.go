package admin

import (
	"errors"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/store"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// coverage is how many people of each population have which second factor at most.
func (v *visit) coverage(counted []store.Covered) (list []ui.CoverageRow, err error) {
	if !v.actor.CanDo("Coverage") {
		return nil, nil
	}
	names, err := v.populationNames()
	for _, c := range counted {
		if !v.canSee(c.PopulationID) && !v.actor.Can(idp.PermissionAuthentication) {
			continue
		}
		if len(list) == 0 || list[len(list)-1].Name != names[c.PopulationID] {
			list = append(list, ui.CoverageRow{Name: names[c.PopulationID]})
		}
		row, text := &list[len(list)-1], ui.Key("console.coverage.none")
		switch {
		case c.Hardware:
			text = "console.coverage.hardware"
		case c.Method != "":
			text = ui.MethodKey("console.coverage.", string(c.Method))
		case v.actor.CanDo("Users"):
			row.NoneURL = peopleList{population: c.PopulationID, filters: []string{onlyAlone}}.url(v)
		}
		row.Counts = append(row.Counts, ui.CoverageCount{Text: *text.With(ui.Count(c.People)), People: c.People, None: c.Method == "" && !c.Hardware})
	}
	return list, err
}

// remindURL is where the people of a population are reminded, empty where that cannot be.
func (v *visit) remindURL(p idp.Population) string {
	if !v.actor.CanDo("RemindSecondStep") || v.console.Manage.Mailer == nil || !mfa.SetsUp(p.Policy) {
		return ""
	}
	return v.path("/people/remind/" + p.ID)
}

// reminded are the people of a population whom a reminder would reach.
type reminded struct {
	idp.Population
	populations.Reminding
}

// ahead are the days from which an admin chooses.
var ahead = []int{7, 14, 30}

// remind asks to remind the people without a second step.
func remind() question[reminded] {
	list := func(r reminded) string { return "/people?population=" + r.ID + "&filter=" + onlyAlone }
	return question[reminded]{
		load: func(v *visit) (r reminded, err error) {
			if err = v.authorize("RemindSecondStep"); err != nil {
				return r, err
			}
			if r.Reminding, err = v.console.Manage.Populations.PreviewReminder(v.Request.Context(), v.actor, v.Param("object")); err != nil {
				return r, err
			}
			r.Population, err = v.console.Store.Population(v.Request.Context(), v.Param("object"))
			return r, err
		},
		allowed: func(v *visit, r reminded) bool { return v.canSee(r.ID) && v.remindURL(r.Population) != "" },
		at:      func(r reminded) string { return "/people/remind/" + r.ID },
		home:    list,
		page: func(v *visit, r reminded) (page ui.ConsoleConfirm, err error) {
			page.Console, err = v.frame(v.Request.Context(), "/people")
			page.Heading, page.Button = *ui.Key("console.remind.heading").With(r.Name), *ui.Key("console.remind.button").With()
			page.Figures = []ui.Figure{{Number: r.People, Label: *ui.Key("console.remind.people").With(r.People)}}
			page.Consequences = says("console.remind.what", "console.remind.again", "console.remind.batches")
			if r.Running {
				page.Alert = ui.Key("console.remind.running").With()
			}
			page.Apply = ui.Input{Name: "by", Label: *ui.Key("console.remind.by").With(), Hint: *ui.Key("console.remind.by").With()}
			for i, days := range ahead {
				day := today().AddDate(0, 0, days)
				page.Apply.Choices = append(page.Apply.Choices, ui.Choice{
					Value: day.Format(time.DateOnly), Label: v.text("console.remind.day", ui.Day(day)), Chosen: i == 1,
				})
			}
			return page, err
		},
		carry: func(v *visit, r reminded, reason string) (func() error, error) {
			due, _ := time.ParseInLocation(time.DateOnly, v.PostForm("by"), time.UTC) // none is refused as too early
			_, err := v.console.Manage.Populations.RemindSecondStep(v.Request.Context(), v.actor, r.ID, due, reason)
			if errors.Is(err, idp.ErrConflict) { // it is under way: the page says so
				err = nil
			}
			return v.saying("/people", "console.done.reminded"), err
		},
	}
}

// today is the day that it is now, as the days of reminders are.
func today() time.Time { return idp.Now().Truncate(24 * time.Hour) }
