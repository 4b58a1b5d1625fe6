// Package accesslog generates web access-log lines in Apache's combined format for the demo, tests and benchmarks. The
// lines are as irregular as real ones: missing sizes, hosts of both address families, paths with query strings, escaped
// quotes, escaped bytes, user agents of any length, invalid request lines.
//
// The same seed and numbers give the same bytes, so that a test can count the lines independently and compare.
package accesslog

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// start is the time of line 0. Line n is n/20 seconds later: 1,200 lines to the minute.
var start = time.Date(2026, time.March, 28, 22, 0, 0, 0, time.UTC)

// New returns the random source for Append.
func New(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)) //nolint:gosec // made-up log lines, the same for the same seed
}

// Append appends line number n, without a line feed. It uses rng, so that equal seeds and equal sequences of n give
// equal lines.
func Append(dst []byte, rng *rand.Rand, n int) []byte {
	dst = appendHost(dst, rng)
	dst = append(dst, " - "...)
	if rng.IntN(25) == 0 {
		dst = append(dst, users[rng.IntN(len(users))]...)
	} else {
		dst = append(dst, '-')
	}
	dst = append(dst, " ["...)
	dst = start.Add(time.Duration(n/20)*time.Second).AppendFormat(dst, "02/Jan/2006:15:04:05 -0700")
	dst = append(dst, `] "`...)
	status := statuses[rng.IntN(len(statuses))]
	if rng.IntN(500) == 0 {
		dst = append(dst, oddRequests[rng.IntN(len(oddRequests))]...)
		status = 400
	} else {
		dst = append(dst, methods[rng.IntN(len(methods))]...)
		dst = append(dst, ' ')
		dst = appendPath(dst, rng)
		dst = append(dst, protocols[rng.IntN(len(protocols))]...)
	}
	dst = append(dst, `" `...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	if status == 304 || rng.IntN(50) == 0 {
		dst = append(dst, '-')
	} else {
		// Sizes are spread over the powers of two, as real ones are.
		dst = strconv.AppendUint(dst, rng.Uint64N(1<<(4+rng.UintN(20))), 10)
	}
	dst = append(dst, ` "`...)
	dst = append(dst, referers[rng.IntN(len(referers))]...)
	dst = append(dst, `" "`...)
	dst = append(dst, agents[rng.IntN(len(agents))]...)
	return append(dst, '"')
}

// appendHost appends one of about 4,000 addresses; few of them make most of the traffic.
func appendHost(dst []byte, rng *rand.Rand) []byte {
	id := rng.IntN(1 + rng.IntN(4000))
	if id%16 == 5 {
		dst = append(dst, "2001:db8::"...)
		return strconv.AppendInt(dst, int64(id), 16)
	}
	dst = append(dst, "198."...)
	dst = strconv.AppendInt(dst, int64(18+id%2), 10)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, int64(id/256), 10)
	dst = append(dst, '.')
	return strconv.AppendInt(dst, int64(id%256), 10)
}

func appendPath(dst []byte, rng *rand.Rand) []byte {
	dst = append(dst, paths[rng.IntN(1+rng.IntN(len(paths)))]...)
	switch rng.IntN(12) {
	case 0:
		dst = append(dst, "?page="...)
		dst = strconv.AppendInt(dst, int64(rng.IntN(40)), 10)
	case 1:
		dst = append(dst, "?q=caf%C3%A9+%22flume%22&sort="...)
		dst = append(dst, methods[rng.IntN(len(methods))]...)
	}
	return dst
}

var (
	users     = []string{"alice", "bob", "svc-backup", "j.o'neil"}
	methods   = []string{"GET", "GET", "GET", "GET", "GET", "GET", "GET", "POST", "HEAD", "PUT"}
	protocols = []string{" HTTP/1.1", " HTTP/1.1", " HTTP/1.1", " HTTP/1.0", " HTTP/2.0"}
	statuses  = []int{200, 200, 200, 200, 200, 200, 200, 200, 200, 206, 301, 302, 304, 304, 403, 404, 404, 500, 503}
	paths     = []string{
		"/", "/index.html", "/favicon.ico", "/static/app.js", "/static/app.css", "/static/logo.png", "/login",
		"/api/v1/items", "/api/v1/items/17", "/api/v1/users", "/robots.txt", "/blog/tags/flume", "/blog/2026/03/exactly-once",
		"/images/header.jpg", "/images/caf\\xc3\\xa9.jpg", "/search", "/feed.xml", "/wp-login.php", "/cart", "/cart/checkout",
		"/docs/", "/docs/protocol", "/docs/query", "/downloads/etl-1.0.tar.gz", "/%7Euser/notes.txt", "/a/very/long/path/that/goes/on/and/on/until/it/ends.html",
	}
	oddRequests = []string{"-", "", `\x16\x03\x01\x02`, "GET /old-style", `GET /say?x=\"hi\" HTTP/1.1`, "GET /a b HTTP/1.1"}
	referers    = []string{
		"-", "-", "-", "https://www.example.com/", "https://search.example/?q=flume+to+mysql",
		"http://www.example.com/blog/tags/flume", `http://\xe4\xe5\xe3.example/`, `https://example.com/?say=\"hi\"`,
	}
	agents = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15",
		"Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
		"curl/8.9.1", "-", "", "Go-http-client/2.0", `odd \"quoted\" agent [v1] - 200 \"`, "python-requests/2.32.3",
	}
)
