// Package ui owns what people see: page templates, styles, scripts and texts,
// with one struct a page. It knows no other package of Gatehouse, decides
// nothing, and reads no request: callers fill a struct and render it.
//
// Pages work without JavaScript and under a Content-Security-Policy that
// forbids inline script and style. It needs script-src 'self', style-src
// 'self' and img-src 'self' data: (the QR code), plus the origins of logos.
package ui
