package expr

import (
	"slices"
	"strings"
)

// nearest is the name among names that was most likely meant, or "" where none is similar.
func nearest(name string, names []string) string {
	best, bestAt := "", 1+len(name)/3
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d <= bestAt && (best == "" || d < bestAt) {
			best, bestAt = n, d
		}
	}
	return best
}

// distance is the edit distance of two names: the number of letters to insert, delete, replace or swap with the next one.
func distance(a, b string) int {
	before, last, now := []int(nil), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		now[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			now[j+1] = min(last[j]+cost, last[j+1]+1, now[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				now[j+1] = min(now[j+1], before[j-1]+1)
			}
		}
		before, last, now = last, now, slices.Clone(last)
	}
	return last[len(b)]
}
