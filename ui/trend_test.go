package ui_test

import (
	"strings"
	"testing"
	"time"

	"gatehouse/ui"
)

func month(numbers func(i int) (signIns, steps, failures int64)) ui.Trend {
	var t ui.Trend
	for i := range 30 {
		d := ui.TrendDay{Day: time.Date(2026, 11, 1+i, 0, 0, 0, 0, time.UTC)}
		d.SignIns, d.SecondSteps, d.Failures = numbers(i)
		t.Days = append(t.Days, d)
	}
	return t
}

// A chart has few lines with round numbers, its highest bar below the highest line and close to
// it, and what is not zero is seen: from one sign-in to millions.
func TestATrendIsDrawnWhateverItsNumbers(t *testing.T) {
	t.Parallel()
	for most, top := range map[int64]string{
		1: "1", 3: "3", 4: "4", 5: "6", 999: "1k", 1001: "1500", 8000: "8k", 123_456: "150k", 1_000_000: "1M", 4_700_000: "6M",
	} {
		s := month(func(i int) (int64, int64, int64) {
			if i == 7 {
				return most, 1, most
			}
			return 0, 0, 0
		}).Shapes()
		if bar := s.Bars[7]; bar.H < 100 || bar.H > 180 || bar.Y != 208-bar.H {
			t.Errorf("%d: the highest bar is %+v", most, bar)
		}
		if s.Bars[6].H != 0 || s.Dots[7].Y > 207 || s.Dots[6].Y != 208 || s.Fails[7].H < 30 || s.Fails[7].Y < 256 {
			t.Errorf("%d: %+v %+v %+v", most, s.Bars[6], s.Dots[6:8], s.Fails[7])
		}
		upper, highest := 0, ""
		for _, line := range s.Lines {
			if line.Y <= 208 {
				upper, highest = upper+1, line.Label
			}
		}
		if upper < 2 || upper > 5 || highest != top {
			t.Errorf("%d: %d lines up to %s, want %s", most, upper, highest, top)
		}
	}
}

// Without colours: the parts differ in what they are. Without the picture: a table has each day.
func TestATrendIsReadInATable(t *testing.T) {
	t.Parallel()
	trend := month(func(i int) (int64, int64, int64) { return int64(1000 * i), int64(i), int64(30 - i) })
	got := render(t, newUI(t), ui.ConsoleOverview{Trend: &trend})
	for _, want := range []string{
		`role="img" aria-labelledby="trend-title trend-desc"`, "In 30 days: sign-ins 435,000, second steps 435, failures 465.",
		`<th scope="row">30 Nov 2026</th><td>29,000</td><td>29</td><td>1</td>`, `fill="url(#hatch)"`, "<title>2 Nov 2026: sign-ins 1,000, second steps 1, failures 29</title>",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "style=") {
		t.Error("a style stands in the page, which its policy forbids")
	}
	if got := render(t, newUI(t), ui.ConsoleOverview{Trend: &ui.Trend{}}); strings.Contains(got, `class="plot"`) || !strings.Contains(got, "Nothing was counted yet.") {
		t.Errorf("without numbers:\n%s", got)
	}
}

// A share that is not all does not look like all, nor one of few like none.
func TestSharesAreNeverRoundedToAllOrNone(t *testing.T) {
	t.Parallel()
	row := ui.CoverageRow{Counts: []ui.CoverageCount{{People: 100_000}, {People: 1}, {People: 0}}}
	for i, want := range []int{99, 1, 0} {
		if got := row.Percent(row.Counts[i]); got != want {
			t.Errorf("%d of %d are %d percent", row.Counts[i].People, row.People(), got)
		}
	}
	if all := (ui.CoverageRow{Counts: row.Counts[:1]}); all.Percent(row.Counts[0]) != 100 {
		t.Error("all are not 100 percent")
	}
}
