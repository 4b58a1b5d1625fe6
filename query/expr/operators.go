package expr

import (
	"maps"
	"slices"
)

// Operators lists the operators of arithmetic, those of comparison and the types of CAST, each in order.
func Operators() (arithmetics, compares, castTypes []string) {
	return slices.Sorted(maps.Keys(arithmetic)), slices.Sorted(maps.Keys(comparisons)), slices.Sorted(maps.Keys(casts))
}
