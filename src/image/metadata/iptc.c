/*
 * Filters IPTC dataset by dataset. A dataset consists of a marker byte, the number of its record,
 * its own number, a length, and data of this length. Datasets that are kept are copied unchanged,
 * except for the dataset that has the shape of the picture.
 */
#include "image/metadata/iptc.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct dataset {
	unsigned record, number;
	struct bytes all, value;
};

enum { MARK = 0x1c, HEAD_BYTES = 5, MAX_LENGTH_BYTES = 4 };

/* Record numbers of IIM. */
enum { ENVELOPE = 1, APPLICATION = 2, DATA_SIZE = 7, DATA = 8, DATA_END = 9 };

/* Read the dataset at an offset. Returns false if no complete dataset is there. */
static bool read_dataset(struct bytes datasets, size_t at, struct dataset *ret_dataset)
{
	struct bytes head = bytes_part(datasets, at, HEAD_BYTES);
	size_t n_head = HEAD_BYTES;
	uint64_t n;

	if (head.n == 0 || head.at[0] != MARK)
		return false;
	n = bytes_be16(head, 3);
	if (n & 0x8000) {
		/* This is an extended dataset. The lower 15 bits of `n` are the size of the length
		 * field that follows. */
		unsigned n_length = n & 0x7fff;

		if (n_length == 0 || n_length > MAX_LENGTH_BYTES)
			return false;
		n = bytes_number(datasets, at + n_head, n_length, true);
		n_head += n_length;
	}
	if (n > datasets.n)
		return false;
	ret_dataset->record = head.at[1];
	ret_dataset->number = head.at[2];
	ret_dataset->all = bytes_part(datasets, at, n_head + (size_t)n);
	ret_dataset->value = bytes_after(ret_dataset->all, n_head);
	return ret_dataset->all.n > 0;
}

/* Whether readers need this dataset to interpret other datasets. Such a dataset is kept if any
 * other dataset is kept. */
static bool is_frame(const struct dataset *dataset)
{
	enum { CHARACTER_SET = 90, VERSION = 0 };

	return (dataset->record == ENVELOPE &&
	        (dataset->number == CHARACTER_SET || dataset->number == VERSION)) ||
	       (dataset->record == APPLICATION && dataset->number == VERSION);
}

/* Whether a dataset contains or describes a preview or another picture. */
static bool is_preview(const struct dataset *dataset)
{
	return (dataset->record == APPLICATION && dataset->number >= 200 &&
	        dataset->number <= 202) ||
	       (dataset->record >= DATA_SIZE && dataset->record <= DATA_END);
}

/* Whether a keyword is a machine tag that gives a place, such as geo:lat=48.1. */
static bool is_place_tag(struct bytes keyword)
{
	while (keyword.n > 0 && isspace(keyword.at[0]))
		keyword = bytes_after(keyword, 1);
	return keyword.n >= 4 && strncasecmp((const char *)keyword.at, "geo:", 4) == 0;
}

static bool is_place(const struct dataset *dataset)
{
	enum { KEYWORDS = 25 };
	static const uint8_t places[] = {
		26,  27, /* code and name of the content location */
		90,  92, /* city, sub-location */
		95,      /* province or state */
		100, 101 /* code and name of the country */
	};

	if (dataset->record != APPLICATION)
		return false;
	if (dataset->number == KEYWORDS && is_place_tag(dataset->value))
		return true;
	return memchr(places, (int)dataset->number, sizeof(places)) != NULL;
}

static bool is_copyright(const struct dataset *dataset)
{
	enum { BY_LINE = 80, CREDIT = 110, COPYRIGHT = 116 };

	return dataset->record == APPLICATION &&
	       (dataset->number == BY_LINE || dataset->number == CREDIT ||
	        dataset->number == COPYRIGHT);
}

static bool keeps(const struct dataset *dataset, unsigned keep)
{
	if (is_preview(dataset))
		return false;
	if (is_place(dataset))
		return keep & KEEP_GPS;
	if (is_copyright(dataset))
		return keep & (KEEP_COPYRIGHT | KEEP_IPTC);
	return keep & KEEP_IPTC;
}

/* Add the dataset for the shape of the picture, with the shape of the output: "P" (portrait), "L"
 * (landscape) or "S" (square). */
static void add_orientation(struct block *to, const struct dataset *dataset,
                            const struct metadata_target *target)
{
	uint8_t shape = target->width == target->height  ? 'S'
	                : target->width > target->height ? 'L'
	                                                 : 'P';

	block_add(to, dataset->all);
	if (!to->has_failed)
		to->at[to->n - 1] = shape;
}

bool iptc_filter(struct block *ret_iptc, struct bytes datasets, unsigned keep,
                 const struct metadata_target *target, unsigned *lost)
{
	enum { ORIENTATION = 131 };
	struct dataset dataset;
	bool has_content = false;
	size_t at = 0;

	if (!(keep & (KEEP_IPTC | KEEP_GPS | KEEP_COPYRIGHT)))
		return true;
	for (; read_dataset(datasets, at, &dataset); at += dataset.all.n) {
		if (is_frame(&dataset)) {
			block_add(ret_iptc, dataset.all);
			continue;
		}
		if (!keeps(&dataset, keep))
			continue;
		has_content = true;
		if (dataset.record == APPLICATION && dataset.number == ORIENTATION &&
		    dataset.value.n == 1)
			add_orientation(ret_iptc, &dataset, target);
		else
			block_add(ret_iptc, dataset.all);
	}
	/* Zeros after the last dataset are padding. */
	while (at < datasets.n && datasets.at[at] == 0)
		at++;
	if (at < datasets.n)
		*lost |= LOST_IPTC;
	if (!has_content)
		block_fini(ret_iptc);
	return !ret_iptc->has_failed;
}

struct bytes photoshop_resource(struct bytes resources, unsigned number)
{
	size_t at = 0;

	/* A resource consists of a marker of four letters, a number, a name, a length, and data of
	 * this length. The name and the data are padded to even lengths. Photoshop's marker is
	 * "8BIM". */
	while (bytes_part(resources, at, 12).n > 0) {
		size_t n_name = (resources.at[at + 6] + 2u) & ~1u;
		size_t data_at = at + 6 + n_name + 4;
		size_t n_data = bytes_be32(resources, data_at - 4);
		struct bytes data = bytes_part(resources, data_at, n_data);

		if (data.n != n_data || data_at > resources.n)
			break;
		if (bytes_be16(resources, at + 4) == number &&
		    bytes_begin_with(bytes_after(resources, at), BYTES_OF("8BIM")))
			return data;
		at = data_at + n_data + (n_data & 1);
	}
	return (struct bytes){NULL, 0};
}

void iptc_add_as_resource(struct block *to, struct bytes datasets)
{
	block_add_text(to, "8BIM");
	block_add_number(to, PHOTOSHOP_IPTC, 2, true);
	block_add_number(to, 0, 2, true); /* an empty name */
	block_add_number(to, datasets.n, 4, true);
	block_add(to, datasets);
	block_add_number(to, 0, datasets.n & 1, true);
}
