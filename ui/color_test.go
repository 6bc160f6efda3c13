package ui_test

import (
	"math"
	"testing"

	"gatehouse/ui"
)

func TestContrast(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{
		{"#000000", "#ffffff", 21},
		{"#ffffff", "#ffffff", 1},
		{"#ffffff", "#767676", 4.54},
		{"#ff0000", "#ffffff", 4.00},
		{"#0000ff", "#ffffff", 8.59},
		{"#2b59e0", "#ffffff", 5.82},
	} {
		if got := ui.Contrast(parse(t, c.a), parse(t, c.b)); math.Abs(got-c.want) > 0.01 {
			t.Errorf("Contrast(%s, %s) = %.3f, want %.2f", c.a, c.b, got, c.want)
		}
	}
}

func TestVariantsAreReadable(t *testing.T) {
	white, dark, text := parse(t, "#ffffff"), parse(t, "#161b23"), parse(t, "#0c1430")
	for r := 0; r < 256; r += 17 {
		for g := 0; g < 256; g += 17 {
			for b := 0; b < 256; b += 17 {
				c := ui.Color{R: uint8(r), G: uint8(g), B: uint8(b)}
				if got := ui.Contrast(c.Light(), white); got < 4.5 {
					t.Errorf("%s: light %s has %.2f", c, c.Light(), got)
				}
				if got := min(ui.Contrast(c.Dark(), dark), ui.Contrast(c.Dark(), text)); got < 4.5 {
					t.Errorf("%s: dark %s has %.2f", c, c.Dark(), got)
				}
			}
		}
	}
	if c := parse(t, "#2b59e0"); c.Light() != c {
		t.Errorf("a readable colour was changed to %s", c.Light())
	}
}

func TestParseColor(t *testing.T) {
	for _, bad := range []string{"", "#", "2b59e0", "#2b59e", "#2b59e00", "#2b59eg", "#2b59e0\n", "red", "#2b59e0}body{"} {
		if _, err := ui.ParseColor(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func parse(t *testing.T, s string) ui.Color {
	t.Helper()
	c, err := ui.ParseColor(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
