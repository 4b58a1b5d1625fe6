// Package aggregate is the functions of several values that a fold computes by adding one record after another to a cell:
// COUNT, SUM, MIN, MAX. How cells merge, in memory and in the table, is package row's part.
package aggregate
