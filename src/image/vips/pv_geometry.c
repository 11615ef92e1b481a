/* Scaling, turning, cutting and placing in the vips engine. */
#include "image/vips/engine_vips.h"

#include <math.h>
#include <string.h>

static VipsKernel kernel_of(const struct recipe *recipe)
{
	static const VipsKernel kernels[N_KERNELS] = {
		[KERNEL_LANCZOS3] = VIPS_KERNEL_LANCZOS3,
		[KERNEL_LANCZOS2] = VIPS_KERNEL_LANCZOS2,
		[KERNEL_MITCHELL] = VIPS_KERNEL_MITCHELL,
		[KERNEL_CUBIC] = VIPS_KERNEL_CUBIC,
		[KERNEL_LINEAR] = VIPS_KERNEL_LINEAR,
	};

	return kernels[recipe->kernel];
}

struct aim {
	struct size to;
	VipsKernel kernel;
};

/* Reduce sides that are too long, by averaging and the kernel. */
static bool reduce(VipsImage **image, const struct aim *aim)
{
	double across = (double)aim->to.width / vips_image_get_width(*image);
	double down = (double)aim->to.height / vips_image_get_height(*image);
	VipsImage *made = NULL;

	if (across >= 1 && down >= 1)
		return true;
	return pv_replace(image, &made,
	                  vips_resize(*image, &made, fmin(across, 1), "vscale",
	                              fmin(down, 1), "kernel", aim->kernel, NULL));
}

static const char *interpolator_of(VipsKernel kernel)
{
	return kernel == VIPS_KERNEL_LINEAR ? "bilinear" : "bicubic";
}

/*
 * Enlarge sides that are too short. vips_resize() rounds the place of the first pixel
 * (8.14.1) and so shifts the picture by up to half a pixel. Here the centre of the
 * picture is the centre of the output.
 */
static bool enlarge(VipsImage **image, const struct aim *aim)
{
	double across = (double)aim->to.width / vips_image_get_width(*image);
	double down = (double)aim->to.height / vips_image_get_height(*image);
	VipsArrayInt *area;
	VipsInterpolate *interpolate;
	VipsImage *made = NULL;
	int error;

	if (across <= 1 && down <= 1)
		return true;
	/* The rows are read more than once, and out of order. */
	if (!pv_to_memory(image))
		return false;
	area = vips_array_int_newv(4, 0, 0, (int)aim->to.width, (int)aim->to.height);
	interpolate = vips_interpolate_new(interpolator_of(aim->kernel));
	error = !interpolate ||
	        vips_affine(*image, &made, across, 0, 0, down, "interpolate", interpolate,
	                    "oarea", area, "idx", 0.5, "idy", 0.5, "odx", -0.5, "ody",
	                    -0.5, "extend", VIPS_EXTEND_COPY, "premultiplied", TRUE,
	                    NULL);
	VIPS_UNREF(interpolate);
	vips_area_unref(VIPS_AREA(area));
	return pv_replace(image, &made, error);
}

static bool resize(VipsImage **image, void *data)
{
	return reduce(image, data) && enlarge(image, data);
}

/* The pixel of a line of n pixels that is nearest to the centre of pixel i of n_to. */
static size_t nearest(uint32_t i, uint32_t n_to, int n)
{
	return (size_t)(((uint64_t)i * 2 + 1) * (uint64_t)n / ((uint64_t)n_to * 2));
}

/* Take the nearest pixel of the picture for each pixel. vips_resize() first shrinks by whole
 * numbers, and so takes other pixels. */
static bool pick_nearest(VipsImage **image, struct size to)
{
	VipsImage *made = vips_image_new_memory();
	int width = vips_image_get_width(*image), height = vips_image_get_height(*image);
	size_t n_pixel = (size_t)vips_format_sizeof(vips_image_get_format(*image)) *
	                 (size_t)vips_image_get_bands(*image);
	VipsPel *line = g_try_malloc(n_pixel * to.width);
	bool is_done = line && pv_to_memory(image) &&
	               !vips_image_pipelinev(made, VIPS_DEMAND_STYLE_THINSTRIP, *image,
	                                     NULL);

	made->Xsize = (int)to.width;
	made->Ysize = (int)to.height;
	for (uint32_t y = 0; is_done && y < to.height; y++) {
		const VipsPel *from = (*image)->data + nearest(y, to.height, height) *
		                                               n_pixel * (size_t)width;

		for (uint32_t x = 0; x < to.width; x++)
			memcpy(line + x * n_pixel,
			       from + nearest(x, to.width, width) * n_pixel, n_pixel);
		is_done = !vips_image_write_line(made, (int)y, line);
	}
	g_free(line);
	if (!is_done)
		g_object_unref(made);
	return pv_replace(image, &made, !is_done);
}

bool pv_scale_to(VipsImage **image, const struct pv_job *job, struct size to)
{
	struct aim aim = {to, kernel_of(job->recipe)};
	/* An image that was imported through a profile still has the alpha of its
	 * samples. */
	double max_alpha = job->is_imported && job->is_deep ? 65535 : 0;

	if (vips_image_get_width(*image) == (int)to.width &&
	    vips_image_get_height(*image) == (int)to.height)
		return true;
	if (job->recipe->kernel == KERNEL_NEAREST)
		return pick_nearest(image, to);
	if (!pv_with_alpha_in(image, max_alpha, resize, &aim))
		return false;
	if (vips_image_get_width(*image) == (int)to.width &&
	    vips_image_get_height(*image) == (int)to.height)
		return true;
	return failure_set(job->failure, FAIL_INTERNAL,
	                   "decode: scaling gave %d x %d, not %u x %u",
	                   vips_image_get_width(*image), vips_image_get_height(*image),
	                   to.width, to.height);
}

bool pv_turn_upright(VipsImage **image, int orientation)
{
	/* The turn, and then whether to mirror left and right. */
	static const struct {
		VipsAngle angle;
		bool is_mirrored;
	} turns[9] = {
		[1] = {VIPS_ANGLE_D0, false},   [2] = {VIPS_ANGLE_D0, true},
		[3] = {VIPS_ANGLE_D180, false}, [4] = {VIPS_ANGLE_D180, true},
		[5] = {VIPS_ANGLE_D90, true},   [6] = {VIPS_ANGLE_D90, false},
		[7] = {VIPS_ANGLE_D270, true},  [8] = {VIPS_ANGLE_D270, false},
	};
	VipsImage *made = NULL;

	if (orientation < 2 || orientation > 8)
		return true;
	if (!pv_to_memory(image))
		return false;
	if (turns[orientation].angle != VIPS_ANGLE_D0 &&
	    !pv_replace(image, &made,
	                vips_rot(*image, &made, turns[orientation].angle, NULL)))
		return false;
	return !turns[orientation].is_mirrored ||
	       pv_replace(image, &made,
	                  vips_flip(*image, &made, VIPS_DIRECTION_HORIZONTAL, NULL));
}

/* Find the part to keep, in the first frame; all frames use the same. */
static bool find_part(VipsImage **image, struct pv_job *job, struct size size)
{
	VipsInteresting interesting = job->recipe->geometry.position == POSITION_ENTROPY
	                                      ? VIPS_INTERESTING_ENTROPY
	                                      : VIPS_INTERESTING_ATTENTION;
	VipsImage *found = NULL;

	if (job->has_part)
		return true;
	if (!pv_to_memory(image) ||
	    vips_smartcrop(*image, &found, (int)size.width, (int)size.height,
	                   "interesting", interesting, NULL))
		return false;
	job->part_x = -vips_image_get_xoffset(found);
	job->part_y = -vips_image_get_yoffset(found);
	job->has_part = true;
	g_object_unref(found);
	return true;
}

static bool cut(VipsImage **image, const struct area *area)
{
	VipsImage *made = NULL;

	return pv_replace(image, &made,
	                  vips_crop(*image, &made, (int)area->x, (int)area->y,
	                            (int)area->size.width, (int)area->size.height, NULL));
}

/* Convert a length or a place of the picture to the scaled one, or back. */
static uint32_t scaled_from(uint32_t at, uint32_t from, uint32_t to)
{
	return (uint32_t)((double)at * to / from + 0.5);
}

/* Find the part in the unscaled picture, and from it the part to scale. */
static bool find_focus(VipsImage **image, struct pv_job *job)
{
	const struct size from = {(uint32_t)vips_image_get_width(*image),
	                          (uint32_t)vips_image_get_height(*image)};
	struct layout layout = geometry_layout(&job->recipe->geometry, from);
	const struct size scaled = layout.scaled;
	struct area *part = &layout.part;
	struct size size = {scaled_from(part->size.width, scaled.width, from.width),
	                    scaled_from(part->size.height, scaled.height, from.height)};

	size.width += size.width == 0;
	size.height += size.height == 0;
	if (!find_part(image, job, size))
		return false;
	part->x = scaled_from((uint32_t)job->part_x, from.width, scaled.width);
	part->y = scaled_from((uint32_t)job->part_y, from.height, scaled.height);
	if (part->x > scaled.width - part->size.width)
		part->x = scaled.width - part->size.width;
	if (part->y > scaled.height - part->size.height)
		part->y = scaled.height - part->size.height;
	layout.is_searched = false;
	geometry_focus(&layout, from);
	job->layout = layout;
	return true;
}

bool pv_focus(VipsImage **image, struct pv_job *job)
{
	if (!job->layout.is_focused)
		return true;
	if (job->layout.is_searched && !find_focus(image, job))
		return false;
	return cut(image, &job->layout.focus);
}

static bool cut_part(VipsImage **image, struct pv_job *job)
{
	const struct layout *layout = &job->layout;
	struct area part = layout->part;

	if (layout->part.size.width == layout->scaled.width &&
	    layout->part.size.height == layout->scaled.height)
		return true;
	if (layout->is_searched) {
		if (!find_part(image, job, part.size))
			return false;
		part.x = (uint32_t)job->part_x;
		part.y = (uint32_t)job->part_y;
	}
	return cut(image, &part);
}

/* Add alpha if the background will show through, and remove it if the format has none. */
static bool prepare_canvas(VipsImage **image, const struct pv_job *job,
                           struct colour *ret_colour)
{
	VipsImage *made = NULL;

	*ret_colour = pv_background(job);
	if (!job->to->has_alpha) {
		ret_colour->alpha = 255;
		return pv_flatten_on_background(image, job);
	}
	if (!job->recipe->background.is_set)
		*ret_colour = (struct colour){.is_set = true};
	return ret_colour->alpha == 255 || vips_image_hasalpha(*image) ||
	       pv_replace(image, &made, vips_addalpha(*image, &made, NULL));
}

bool pv_place(VipsImage **image, struct pv_job *job)
{
	const struct layout *layout = &job->layout;
	VipsArrayDouble *background;
	VipsImage *made = NULL;
	struct colour colour;
	double values[5];
	int error;

	if (!cut_part(image, job))
		return false;
	if (layout->canvas.width == layout->part.size.width &&
	    layout->canvas.height == layout->part.size.height)
		return true;
	if (!prepare_canvas(image, job, &colour) ||
	    !pv_colour_values(image, job, &colour, values))
		return false;
	background = vips_array_double_new(values, vips_image_get_bands(*image));
	error = vips_embed(*image, &made, (int)layout->x, (int)layout->y,
	                   (int)layout->canvas.width, (int)layout->canvas.height,
	                   "extend", VIPS_EXTEND_BACKGROUND, "background", background,
	                   NULL);
	vips_area_unref(VIPS_AREA(background));
	return pv_replace(image, &made, error);
}

/* The picture as 8-bit pixels; glib frees the bytes. */
static bool pixels_of(struct pixels *ret_pixels, VipsImage *image)
{
	VipsImage *plain = NULL;
	size_t n;

	if (vips_cast(image, &plain, VIPS_FORMAT_UCHAR, "shift", TRUE, NULL))
		return false;
	*ret_pixels = (struct pixels){
		.size = {(uint32_t)vips_image_get_width(plain),
	                 (uint32_t)vips_image_get_height(plain)},
		.n_bands = (unsigned)vips_image_get_bands(plain),
		.bytes = vips_image_write_to_memory(plain, &n),
		.free_bytes = g_free,
	};
	g_object_unref(plain);
	return ret_pixels->bytes != NULL;
}

bool pv_trim(VipsImage **image, struct pv_job *job, double threshold)
{
	struct pixels pixels;

	if (!job->has_trimmed) {
		if (!pv_to_memory(image) || !pixels_of(&pixels, *image))
			return false;
		job->trimmed = pixels_without_border(&pixels, threshold);
		job->has_trimmed = true;
		pixels_fini(&pixels);
	}
	return cut(image, &job->trimmed);
}

static bool rotate_freely(VipsImage **image, void *data)
{
	const double *degrees = data;
	VipsInterpolate *bicubic = vips_interpolate_new("bicubic");
	VipsImage *made = NULL;
	int error = !bicubic ||
	            vips_rotate(*image, &made, *degrees, "interpolate", bicubic, NULL);

	VIPS_UNREF(bicubic);
	return pv_replace(image, &made, error);
}

bool pv_rotate_by(VipsImage **image, struct pv_job *job, double degrees)
{
	static const VipsAngle angles[] = {VIPS_ANGLE_D0, VIPS_ANGLE_D90, VIPS_ANGLE_D180,
	                                   VIPS_ANGLE_D270};
	double turned = fmod(fmod(degrees, 360) + 360, 360);
	VipsImage *made = NULL;

	if (!pv_to_memory(image))
		return false;
	if (fmod(turned, 90) == 0)
		return pv_replace(
			image, &made,
			vips_rot(*image, &made, angles[(int)(turned / 90)], NULL));
	/* The corners are transparent at first; their colour is decided later. */
	job->shows_corners = true;
	if (!vips_image_hasalpha(*image) &&
	    !pv_replace(image, &made, vips_addalpha(*image, &made, NULL)))
		return false;
	return pv_with_alpha_in(image, 0, rotate_freely, &turned);
}

/* A copy of one frame in memory, with work done. */
static VipsImage *make_frame(VipsImage *roll, uint32_t i, int height,
                             bool (*work)(VipsImage **image, void *data), void *data)
{
	VipsImage *frame = NULL;

	if (vips_crop(roll, &frame, 0, (int)i * height, vips_image_get_width(roll),
	              height, NULL))
		return NULL;
	if (pv_to_memory(&frame) && work(&frame, data) && pv_to_memory(&frame))
		return frame;
	g_object_unref(frame);
	return NULL;
}

bool pv_each_frame(VipsImage **image, uint32_t n_frames,
                   bool (*work)(VipsImage **image, void *data), void *data)
{
	int height = vips_image_get_height(*image) / (int)n_frames;
	VipsImage **frames, *made = NULL;
	uint32_t n_made = 0;
	bool is_done;

	if (n_frames == 1)
		return work(image, data);
	frames = g_try_new0(VipsImage *, n_frames);
	if (!frames) {
		vips_error("frames", "out of memory");
		return false;
	}
	for (; n_made < n_frames; n_made++) {
		frames[n_made] = make_frame(*image, n_made, height, work, data);
		if (!frames[n_made])
			break;
	}
	is_done = n_made == n_frames &&
	          pv_replace(image, &made,
	                     vips_arrayjoin(frames, &made, (int)n_frames, "across", 1,
	                                    NULL));
	while (n_made > 0)
		g_object_unref(frames[--n_made]);
	g_free(frames);
	return is_done;
}
