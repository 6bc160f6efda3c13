package ui

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// Color is an opaque sRGB colour.
type Color struct{ R, G, B uint8 }

// What text and controls stand on, and what stands on a brand colour. The
// stylesheet has the same values.
var (
	lightSurface = Color{0xff, 0xff, 0xff}
	darkSurface  = Color{0x16, 0x1b, 0x23}
	lightOnBrand = Color{0xff, 0xff, 0xff}
	darkOnBrand  = Color{0x0c, 0x14, 0x30}
)

// The contrast that brand colours reach: WCAG AA for text in the light theme,
// and more in the dark one, where the minimum looks dull.
const (
	lightContrast = 4.5
	darkContrast  = 7.0
)

var hexColor = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// ParseColor reads a colour such as "#2b59e0".
func ParseColor(s string) (Color, error) {
	if !hexColor.MatchString(s) {
		return Color{}, fmt.Errorf("colour %q is not like #2b59e0", s)
	}
	n, err := strconv.ParseUint(s[1:], 16, 32)
	if err != nil {
		return Color{}, err
	}
	return Color{uint8(n >> 16), uint8(n >> 8), uint8(n)}, nil
}

// String writes the colour such as "#2b59e0".
func (c Color) String() string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// Light is the variant for the light theme: readable on white, and white is
// readable on it. A colour that is dark enough stays as it is.
func (c Color) Light() Color { return c.towards(Color{}, lightSurface, lightContrast) }

// Dark is the variant for the dark theme: readable on the dark surface, with
// dark text on it. A colour that is light enough stays as it is.
func (c Color) Dark() Color { return c.towards(Color{0xff, 0xff, 0xff}, darkSurface, darkContrast) }

// towards mixes in as little of the target as reaches the contrast.
func (c Color) towards(target, surface Color, contrast float64) Color {
	mixed := c
	for step := 1; step <= 100 && Contrast(mixed, surface) < contrast; step++ {
		mixed = c.mix(target, float64(step)/100)
	}
	return mixed
}

func (c Color) mix(d Color, share float64) Color {
	part := func(a, b uint8) uint8 {
		return uint8(math.Round(float64(a)*(1-share) + float64(b)*share))
	}
	return Color{part(c.R, d.R), part(c.G, d.G), part(c.B, d.B)}
}

// Contrast is the contrast ratio of WCAG 2 between two colours, 1 to 21.
func Contrast(a, b Color) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func (c Color) luminance() float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}

// css is the stylesheet that gives pages the brand colour.
func (c Color) css() string {
	return fmt.Sprintf(":root{--brand:%s;--on-brand:%s}\n"+
		"@media (prefers-color-scheme:dark){:root{--brand:%s;--on-brand:%s}}\n",
		c.Light(), lightOnBrand, c.Dark(), darkOnBrand)
}
