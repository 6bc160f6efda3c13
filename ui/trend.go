package ui

import (
	"fmt"
	"strconv"
	"time"
)

// Trend is what happened on each of some days, the oldest first. The last day is not over.
type Trend struct{ Days []TrendDay }

// TrendDay is what happened on a day, in UTC.
type TrendDay struct {
	Day                            time.Time
	SignIns, SecondSteps, Failures int64
}

// Total adds up all days.
func (t Trend) Total() (sum TrendDay) {
	for _, d := range t.Days {
		sum.SignIns += d.SignIns
		sum.SecondSteps += d.SecondSteps
		sum.Failures += d.Failures
	}
	return sum
}

// Empty tells that nothing happened.
func (t Trend) Empty() bool { return t.Total() == TrendDay{} }

// Latest are the days, the newest first.
func (t Trend) Latest() []TrendDay {
	list := make([]TrendDay, 0, len(t.Days))
	for i := range t.Days {
		list = append(list, t.Days[len(t.Days)-1-i])
	}
	return list
}

// Where the parts of the chart stand, in pixels from its top. Across, everything stands in
// percent: the chart is as wide as the page, and its letters keep their size.
const (
	upperTop, upperEnd = 28, 208
	lowerTop, lowerEnd = 256, 316
	tickLines          = 4 // at most, of the upper part
	dayLabels          = 7 // days from one label to the next
)

// TrendShapes are the chart of a trend.
type TrendShapes struct {
	Lines  []TrendLine // of both scales
	Bars   []TrendBar  // sign-ins
	Curve  []TrendSegment
	Dots   []TrendDot
	Fails  []TrendBar
	Days   []TrendColumn
	Labels []TrendLabel
}

// TrendLine is a line of a scale, with its number.
type TrendLine struct {
	Y     int64
	Label string
}

// TrendBar is a bar; Open: its day is not over.
type TrendBar struct {
	X, W string
	Y, H int64
	Open bool
}

// TrendSegment is a part of the curve; Open: it leads to a day that is not over.
type TrendSegment struct {
	X1, X2 string
	Y1, Y2 int64
	Open   bool
}

// TrendDot is a point of the curve.
type TrendDot struct {
	X string
	Y int64
}

// TrendColumn is where a day stands.
type TrendColumn struct {
	X, W string
	Day  TrendDay
}

// TrendLabel is the name of a day below its column.
type TrendLabel struct {
	X, Anchor string
	Day       time.Time
}

// Shapes draws a trend.
func (t Trend) Shapes() (s TrendShapes) {
	var most, mostFailures int64
	for _, d := range t.Days {
		most, mostFailures = max(most, d.SignIns, d.SecondSteps), max(mostFailures, d.Failures)
	}
	upper, lower := scaleFor(most, tickLines, upperTop, upperEnd), scaleFor(mostFailures, 2, lowerTop, lowerEnd)
	s.Lines = append(upper.lines(), lower.lines()...)
	slot := 100 / float64(max(len(t.Days), 1))
	for i, d := range t.Days {
		left, last := float64(i)*slot, i == len(t.Days)-1
		bar := TrendBar{X: percent(left + slot*.16), W: percent(slot * .68), Open: last}
		bar.Y, bar.H = upper.at(d.SignIns), upper.end-upper.at(d.SignIns)
		s.Bars = append(s.Bars, bar)
		bar.Y, bar.H = lower.at(d.Failures), lower.end-lower.at(d.Failures)
		s.Fails = append(s.Fails, bar)
		dot := TrendDot{X: percent(left + slot/2), Y: upper.at(d.SecondSteps)}
		if i > 0 {
			before := s.Dots[i-1]
			s.Curve = append(s.Curve, TrendSegment{X1: before.X, Y1: before.Y, X2: dot.X, Y2: dot.Y, Open: last})
		}
		s.Dots = append(s.Dots, dot)
		s.Days = append(s.Days, TrendColumn{X: percent(left), W: percent(slot), Day: d})
		if (len(t.Days)-1-i)%dayLabels == 0 {
			label := TrendLabel{X: percent(left + slot/2), Anchor: "middle", Day: d.Day}
			if last {
				label.X, label.Anchor = "100%", "end"
			}
			s.Labels = append(s.Labels, label)
		}
	}
	return s
}

func percent(f float64) string { return strconv.FormatFloat(f, 'f', 3, 64) + "%" }

// scale places numbers between two heights. Its lines are step apart.
type scale struct{ step, steps, top, end int64 }

// scaleFor is the scale of numbers up to most, with so many lines at the most above zero: 1, 2
// or 5 with zeros behind it apart.
func scaleFor(most, lines, top, end int64) scale {
	step, next := int64(1), []int64{2, 5, 10}
	for ten := int64(1); step*lines < most; ten *= 10 {
		for _, n := range next {
			if step = n * ten; step*lines >= most {
				break
			}
		}
	}
	return scale{step: step, steps: max((most+step-1)/step, 1), top: top, end: end}
}

// at is the height of a number. What is not zero is seen.
func (s scale) at(n int64) int64 {
	if n <= 0 {
		return s.end
	}
	return min(s.end-int64(float64(n)/float64(s.step*s.steps)*float64(s.end-s.top)+.5), s.end-1)
}

func (s scale) lines() (list []TrendLine) {
	for i := range s.steps + 1 {
		list = append(list, TrendLine{Y: s.at(i * s.step), Label: short(i * s.step)})
	}
	return list
}

// short writes a round number such as 500, 20k or 3M.
func short(n int64) string {
	switch {
	case n == 0 || n%1000 != 0:
		return strconv.FormatInt(n, 10)
	case n%1_000_000 == 0:
		return fmt.Sprintf("%dM", n/1_000_000)
	}
	return fmt.Sprintf("%dk", n/1000)
}
