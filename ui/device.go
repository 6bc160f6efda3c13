package ui

import (
	"strings"

	"github.com/mileusna/useragent"
)

// maxDevice is how long Device's answer gets, in characters.
const maxDevice = 60

// browsers are the names that Device writes, by those that the parser finds. A
// User-Agent says what its sender likes and ends up in mails, so that nothing
// of it is repeated that is not on this list.
var browsers = map[string]string{
	useragent.Chrome:           "Chrome",
	useragent.HeadlessChrome:   "Chrome",
	useragent.Edge:             "Edge",
	useragent.Firefox:          "Firefox",
	useragent.InternetExplorer: "Internet Explorer",
	useragent.Opera:            "Opera",
	useragent.OperaMini:        "Opera Mini",
	useragent.OperaTouch:       "Opera Touch",
	useragent.Safari:           "Safari",
	useragent.MobileSafari:     "Safari",
	useragent.SamsungBrowser:   "Samsung Internet",
	useragent.Vivaldi:          "Vivaldi",
	"Android browser":          "Android Browser",
	"Brave":                    "Brave",
	"DuckDuckGo":               "DuckDuckGo",
	"Ddg":                      "DuckDuckGo",
	"Huawei Browser":           "Huawei Browser",
	"Miui Browser":             "Mi Browser",
	"YaBrowser":                "Yandex Browser",
	"curl":                     "curl",
	"Wget":                     "Wget",
}

// systems are the operating systems that Device names, as people know them.
var systems = map[string]string{
	useragent.Android:      "Android",
	useragent.BlackBerry:   "BlackBerry",
	useragent.ChromeOS:     "ChromeOS",
	useragent.FreeBSD:      "FreeBSD",
	useragent.Harmony:      "HarmonyOS",
	useragent.IOS:          "iOS",
	useragent.Linux:        "Linux",
	useragent.MacOS:        "macOS",
	useragent.Windows:      "Windows",
	useragent.WindowsPhone: "Windows Phone",
}

// Device says which browser and system a User-Agent names, such as "Firefox on
// Windows", in the reader's language; "Unknown device" when it says nothing.
// The answer has at most 60 characters, whatever it is given.
func (u *UI) Device(lang, userAgent string) string {
	// Real ones are shorter than this; the rest would only cost time.
	agent := useragent.Parse(strings.ToValidUTF8(userAgent[:min(len(userAgent), 512)], ""))
	browser, system := browsers[agent.Name], systems[agent.OS]
	if agent.OS == useragent.IOS && (agent.Device == "iPhone" || agent.Device == "iPad") {
		system = agent.Device
	}
	var m Message
	switch {
	case browser != "" && system != "":
		m = *Key("mail.device.both").With(browser, system)
	case browser != "":
		m = *Key("mail.device.browser").With(browser)
	case system != "":
		m = *Key("mail.device.system").With(system)
	default:
		m = Message{Key: "mail.device.unknown"}
	}
	return line(u.Text(lang, m), maxDevice)
}
