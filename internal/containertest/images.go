package containertest

import (
	"os"
	"strings"
)

// MySQLImages returns the comma-separated images of ETL_TEST_MYSQL_IMAGES, by default the official image of every
// supported release line.
func MySQLImages() []string {
	return images("ETL_TEST_MYSQL_IMAGES", "mysql:5.7,mysql:8.0,mysql:8.4,mysql:9,mariadb:10.11,mariadb:11")
}

// KafkaImage returns the image of ETL_TEST_KAFKA_IMAGE.
func KafkaImage() string { return images("ETL_TEST_KAFKA_IMAGE", "apache/kafka:4.1.0")[0] }

func images(variable, usual string) (out []string) {
	text := os.Getenv(variable)
	if strings.Trim(text, ", ") == "" {
		text = usual
	}
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}
