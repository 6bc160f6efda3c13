package sample

import (
	"slices"
	"time"

	"gatehouse/ui"
)

// overviews are the page where the console begins: of an installation that is used, and of a new one.
func overviews() map[string]ui.Page {
	page := ui.ConsoleOverview{
		Console: consoleFrame(""), CountedAt: sampled, ShowNeeds: true, Trend: trend(),
		Figures: []ui.Figure{
			{Number: 1318, Label: *ui.Key("console.overview.signed_in").With(1318)},
			{Number: 9412, Label: *ui.Key("console.overview.people").With(9412), URL: "#"},
			{Number: 14, Label: *ui.Key("console.overview.apps").With(14), URL: "#"},
		},
		Needs: []ui.Need{
			{Text: *ui.Key("console.need.logout").With(7, "Wallboard"), URL: "#"},
			{Text: *ui.Key("console.need.failures").With(912, 84, "Wrong password"), URL: "#"},
			{Text: *ui.Key("console.need.connection_ends").With(ui.Day(sampled.AddDate(0, 0, 19)), "Microsoft"), URL: "#", Soon: true},
		},
		Coverage: []ui.CoverageRow{
			{Name: "Agents", NoneURL: "#", Counts: []ui.CoverageCount{
				covered("hardware", 12), covered("passkey", 41), covered("totp", 65), {Text: *ui.Key("console.coverage.none").With(ui.Count(6)), People: 6, None: true},
			}},
			{Name: "Contacts", NoneURL: "#", Counts: []ui.CoverageCount{
				covered("passkey", 1210), covered("totp", 3874), covered("email", 3302), {Text: *ui.Key("console.coverage.none").With(ui.Count(902)), People: 902, None: true},
			}},
		},
		Groups: []ui.GroupRules{
			{Name: "Agents", Access: message("console.access.access.both"), Methods: []ui.Message{message("console.policy.authenticator"), message("console.policy.email_code")}, Passwords: *ui.Key("console.passwords.min_length_is").With(12), AccessURL: "#", PolicyURL: "#", PasswordsURL: "#"},
			{Name: "Contacts", Access: message("console.access.access.password"), Passwords: *ui.Key("console.passwords.min_length_is").With(8), AccessURL: "#", PolicyURL: "#", PasswordsURL: "#"},
		},
		Apps: []ui.AppRow{
			{Name: "Agent portal", Rule: message("console.app.rule_inherit"), URL: "#"}, {Name: "Payroll", Rule: message("console.app.rule_phr"), URL: "#"},
		},
		AppsURL: "#",
		Checks: []ui.Check{
			{Label: *ui.Key("console.check.mail").With(), Hint: *ui.Key("console.check.mail_hint").With(), URL: "#", Done: true},
			{Label: *ui.Key("console.check.audit").With(), Hint: *ui.Key("console.check.audit_days").With(400), URL: "#", Done: true},
			{Label: *ui.Key("console.check.app").With(), Hint: *ui.Key("console.check.app_hint").With(), URL: "#", Done: true},
		},
	}
	fresh := page
	fresh.CountedAt, fresh.Trend, fresh.Needs, fresh.Coverage, fresh.Figures = time.Time{}, &ui.Trend{}, nil, nil, page.Figures[2:]
	fresh.Checks = append(slices.Clone(page.Checks[:2]), ui.Check{Label: page.Checks[2].Label, Hint: page.Checks[2].Hint, URL: "#"})
	return map[string]ui.Page{"console-overview": page, "console-overview-new": fresh}
}

// sampled is when the sample is from.
var sampled = time.Date(2026, time.November, 30, 14, 5, 0, 0, time.UTC)

func covered(method string, people int) ui.CoverageCount {
	return ui.CoverageCount{Text: *ui.Key("console.coverage." + ui.Key(method)).With(ui.Count(people)), People: int64(people)}
}

// trend is a month of a business, with one attack.
func trend() *ui.Trend {
	t := &ui.Trend{}
	for i := range 30 {
		day := sampled.Truncate(24*time.Hour).AddDate(0, 0, i-29)
		n := int64(2900 + (i*7919)%640 + 12*i)
		if weekday := day.Weekday(); weekday == time.Saturday || weekday == time.Sunday {
			n = n*2/9 + int64((i*131)%90)
		}
		d := ui.TrendDay{Day: day, SignIns: n, SecondSteps: n*(58+int64(i)/2)/100 + int64((i*577)%120), Failures: 40 + n/60 + int64((i*37)%31)}
		if i == 29 {
			d.SignIns, d.SecondSteps, d.Failures = d.SignIns*6/10, d.SecondSteps*6/10, 912
		}
		t.Days = append(t.Days, d)
	}
	return t
}
