/* JPEG files made by libjpeg, for tests and as first inputs of fuzzing. */
#include "jpeg_maker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

uint32_t random_next(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

unsigned random_below(uint64_t *state, unsigned n)
{
	return random_next(state) % n;
}

static uint8_t draw(const struct jpeg_settings *settings, unsigned x, unsigned y,
                    unsigned band, uint64_t *state)
{
	unsigned smooth = (x * (3 + band) + y * (2 + band) * 2) / 3;

	switch (settings->drawing) {
	case DRAWING_SMOOTH:
		return (uint8_t)((smooth & 256 ? 511 - (smooth & 511) : smooth) & 255);
	case DRAWING_BUSY:
		if ((x / 7 + y / 5) % 3 == band)
			return (uint8_t)(random_below(state, 40) + 200);
		return (uint8_t)((smooth / 2 + random_below(state, 30)) & 255);
	case DRAWING_NOISE:
		return (uint8_t)random_below(state, 256);
	default:
		return (uint8_t)(90 + 40 * band);
	}
}

/* State of a random progressive script: which bits of each coefficient have been written, for each
 * component. */
struct progression {
	int n_components;
	int known_bit[3][64]; /* -1: no bit has been written */
	jpeg_scan_info scan[MAX_SCRIPT_SCANS];
	int n_scans;
};

static void add_scan(struct progression *p, int component, int n_components, int ss,
                     int se, int ah, int al)
{
	jpeg_scan_info *scan = &p->scan[p->n_scans++];

	*scan = (jpeg_scan_info){
		.comps_in_scan = n_components, .Ss = ss, .Se = se, .Ah = ah, .Al = al};
	for (int i = 0; i < n_components; i++) {
		scan->component_index[i] = component + i;
		for (int k = ss; k <= se; k++)
			p->known_bit[component + i][k] = al;
	}
}

static void add_dc_scans(struct progression *p, uint64_t *state)
{
	int al = (int)random_below(state, 3);

	if (random_below(state, 2) || p->n_components == 1) {
		add_scan(p, 0, p->n_components, 0, 0, 0, al);
		return;
	}
	for (int i = 0; i < p->n_components; i++)
		add_scan(p, i, 1, 0, 0, 0, (int)random_below(state, 3));
}

static int random_open_coefficient(const int known_bit[64], uint64_t *state)
{
	int open[64], n_open = 0;

	for (int k = 0; k < 64; k++) {
		if (known_bit[k])
			open[n_open++] = k;
	}
	return n_open ? open[random_below(state, (unsigned)n_open)] : -1;
}

/* Add one more scan, for a band of coefficients that have all been sent down to the same bit.
 * Returns false when all bits of the component have been written. After 60 scans each new band is
 * as long as possible, so that the script comes to an end. */
static bool add_random_scan(struct progression *p, int component, uint64_t *state)
{
	const int *known_bit = p->known_bit[component];
	bool is_late = p->n_scans > 60;
	int first = random_open_coefficient(known_bit, state), last = first;

	if (first < 0)
		return false;
	while (is_late && first > 1 && known_bit[first - 1] == known_bit[first])
		first--;
	while (first > 0 && last < 63 && known_bit[last + 1] == known_bit[first] &&
	       (is_late || random_below(state, 12)))
		last++;
	if (known_bit[first] < 0)
		add_scan(p, component, 1, first, last, 0,
		         is_late ? 0 : (int)random_below(state, 4));
	else
		add_scan(p, component, 1, first, last, known_bit[first],
		         known_bit[first] - 1);
	return true;
}

static void random_progression(struct progression *p, int n_components, uint64_t *state)
{
	bool is_open = true;

	memset(p, 0, sizeof(*p));
	memset(p->known_bit, -1, sizeof(p->known_bit));
	p->n_components = n_components;
	add_dc_scans(p, state);
	while (is_open) {
		int first = (int)random_below(state, (unsigned)n_components);

		is_open = false;
		for (int i = 0; i < n_components && !is_open; i++)
			is_open = add_random_scan(p, (first + i) % n_components, state);
		if (p->n_scans > 180)
			/* Longer scripts come close to 200 scans, the maximum of our
			 * decoder. No seed in use makes one. */
			abort();
	}
}

static void one_scan_each(struct progression *p, int n_components)
{
	memset(p, 0, sizeof(*p));
	for (int i = 0; i < n_components; i++)
		add_scan(p, i, 1, 0, 63, 0, 0);
}

/* After the DC scan, each scan has one coefficient of one component: first all its bits except the
 * lowest one and, when all coefficients have been sent in this way, the lowest bit. */
static void long_progression(struct progression *p, int n_components, int n_scans)
{
	memset(p, 0, sizeof(*p));
	add_scan(p, 0, n_components, 0, 0, 0, 0);
	for (int i = 0; i < n_scans - 1; i++) {
		bool is_lowest_bit = i >= 63 * n_components;
		int k = 1 + i / n_components % 63;

		add_scan(p, i % n_components, 1, k, k, is_lowest_bit, !is_lowest_bit);
	}
}

static void choose_colours(struct jpeg_compress_struct *c,
                           const struct jpeg_settings *settings)
{
	c->input_components = settings->is_grey ? 1 : 3;
	c->in_color_space = settings->is_grey ? JCS_GRAYSCALE : JCS_YCbCr;
	if (settings->is_rgb)
		c->in_color_space = JCS_RGB;
	if (settings->is_cmyk || settings->is_ycck) {
		c->input_components = 4;
		c->in_color_space = JCS_CMYK;
	}
	jpeg_set_defaults(c);
	if (settings->is_rgb)
		jpeg_set_colorspace(c, JCS_RGB);
	if (settings->is_ycck)
		jpeg_set_colorspace(c, JCS_YCCK);
}

static void choose_coding(struct jpeg_compress_struct *c,
                          const struct jpeg_settings *settings, struct progression *p)
{
	uint64_t state = settings->seed + 77;

	jpeg_set_quality(c, settings->quality, FALSE);
	c->optimize_coding = settings->is_optimised;
	c->restart_interval = settings->restart;
	c->arith_code = settings->is_arithmetic;
	for (int i = 0; i < 3 && i < c->num_components; i++) {
		c->comp_info[i].h_samp_factor = settings->h[i] ? (int)settings->h[i] : 1;
		c->comp_info[i].v_samp_factor = settings->v[i] ? (int)settings->v[i] : 1;
	}
	switch (settings->script) {
	case SCRIPT_SEQUENTIAL:
		return;
	case SCRIPT_USUAL:
		jpeg_simple_progression(c);
		return;
	case SCRIPT_ONE_EACH:
		one_scan_each(p, c->num_components);
		break;
	case SCRIPT_RANDOM:
		random_progression(p, c->num_components, &state);
		break;
	case SCRIPT_LONG:
		long_progression(p, c->num_components, (int)settings->n_scans);
		break;
	}
	c->scan_info = p->scan;
	c->num_scans = p->n_scans;
}

static void say_nothing(j_common_ptr c, int level)
{
	(void)c;
	(void)level;
}

struct bytes jpeg_encode(const struct jpeg_settings *settings)
{
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr errors;
	struct progression progression;
	uint64_t state = settings->seed;
	unsigned long n = 0;
	struct bytes file = {0};
	JSAMPLE *row;

	c.err = jpeg_std_error(&errors);
	/* Quantization steps of quality 1 need 16 bits. */
	errors.emit_message = say_nothing;
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &file.at, &n);
	c.image_width = settings->width;
	c.image_height = settings->height;
	choose_colours(&c, settings);
	choose_coding(&c, settings, &progression);
	jpeg_start_compress(&c, TRUE);
	row = malloc((size_t)settings->width * 4);
	if (!row)
		abort();
	for (unsigned y = 0; y < settings->height; y++) {
		for (unsigned x = 0; x < settings->width; x++) {
			for (unsigned i = 0; i < (unsigned)c.input_components; i++)
				row[x * (unsigned)c.input_components + i] = draw(
					settings, x, y, i, &state);
		}
		jpeg_write_scanlines(&c, &row, 1);
	}
	free(row);
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	file.n = n;
	return file;
}
