package demo_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// pictures names the environment variable with the folder that gets a picture
// of every page, on a desk and on a phone, light and dark.
const pictures = "GATEHOUSE_TEST_PICTURES"

// taken has the names of the pictures that exist: the first of a page stays.
var taken sync.Map

// picture saves the page as it looks, where pictures are asked for.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv(pictures)
	if dir == "" {
		return
	}
	if _, exists := taken.LoadOrStore(name, true); exists {
		return
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		b.t.Fatal(err)
	}
	for width, height := range map[int64]int64{1280: 800, 360: 740} {
		for _, scheme := range []string{"light", "dark"} {
			file := filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme))
			b.do(dressed(width, height, scheme), photographed(file))
		}
	}
	b.do(undressed)
}

// dressed gives the page a screen and a colour scheme.
func dressed(width, height int64, scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
			},
		})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500,
		})
		return err
	})
}

// undressed takes both away again.
var undressed = chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
	_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
	if err != nil {
		return err
	}
	_, err = cdp.Call(ctx, t, emulation.ClearDeviceMetricsOverride, cdp.Empty{})
	return err
})

// photographed writes the whole page, also what is below the screen.
func photographed(file string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		shot, err := chromedp.FullScreenshot(100)(ctx, t)
		if err != nil {
			return err
		}
		return os.WriteFile(file, shot, 0o600)
	})
}
