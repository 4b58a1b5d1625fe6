package expr

import (
	"strings"

	"github.com/sluice-etl/sluice/internal/editdistance"
)

// nearest returns the name that is most similar to a misspelled one, or "" if none is similar.
func nearest(name string, names []string) string {
	best, bestAt := "", 1+len(name)/3
	for _, n := range names {
		if d := editdistance.Of(strings.ToLower(name), strings.ToLower(n)); d <= bestAt && (best == "" || d < bestAt) {
			best, bestAt = n, d
		}
	}
	return best
}
