//go:build !race

package query

// raceDetector reports whether the tests run with the race detector.
const raceDetector = false
