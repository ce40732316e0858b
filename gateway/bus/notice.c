// SPDX-License-Identifier: Apache-2.0
#include "bus/notice.h"

#include "common/assert.h"
#include "common/json.h"
#include "common/mem.h"

#include <string.h>

#define VERSION 1
/* Strings and numbers inside one object; what a later release may add is no deeper. */
#define DEPTH 8

static const char *const kinds[] = {
    [SW_NOTICE_DISCONNECT] = "disconnect",
    [SW_NOTICE_DISCONNECTED] = "disconnected",
};

void sw_notice_string(struct sw_buf *out, const char *node)
{
    sw_buf_printf(out, node ? "$node.%s" : "$nodes", node);
}

/* ---- reading ---- */

enum field { V, KIND, FROM, ID, COUNT, PARTIAL, FIELD_COUNT };
static const char *const names[FIELD_COUNT] = {"v", "kind", "from", "id", "count", "partial"};

/* Both become part of a string of the bus or of the log, so they are plain: 1 to `most` letters,
 * digits, '-', '_', '.'. */
static bool read_id(char *out, size_t most, struct sw_json_value value)
{
    static const char plain[] = "0123456789-_."
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if (value.type != SW_JSON_STRING || value.raw.size < 3 || value.raw.size - 2 > most) {
        return false;
    }
    size_t size = value.raw.size - 2;
    memcpy(out, value.raw.data + 1, size);
    out[size] = '\0';
    return strspn(out, plain) == size;
}

static bool read_kind(struct sw_json_value value, enum sw_notice_kind *kind)
{
    for (size_t i = 0; i < SW_ARRAY_SIZE(kinds); i++) {
        struct sw_slice word = sw_slice_of(kinds[i]);
        if (value.type == SW_JSON_STRING && value.raw.size == word.size + 2 &&
            memcmp(value.raw.data + 1, word.data, word.size) == 0) {
            *kind = (enum sw_notice_kind)i;
            return true;
        }
    }
    return false;
}

static bool read_answer(struct sw_notice *notice, const struct sw_json_value *fields)
{
    uint64_t count;
    if (!sw_json_to_u64(fields[COUNT], UINT32_MAX, &count)) {
        return false;
    }
    notice->count = (uint32_t)count;
    notice->partial = fields[PARTIAL].type == SW_JSON_TRUE;
    return true;
}

static bool read_notice(struct sw_notice *notice, struct sw_slice raw, char separator)
{
    struct sw_json_value fields[FIELD_COUNT];
    uint64_t version;
    if (raw.size > SW_NOTICE_BYTES ||
        sw_json_validate(raw.data, raw.size, DEPTH, NULL) != SW_JSON_OK ||
        sw_json_value(raw).type != SW_JSON_OBJECT) {
        return false;
    }
    struct sw_slice object = sw_json_value(raw).raw;
    if (!sw_json_members(object, names, FIELD_COUNT, fields, NULL) ||
        !sw_json_to_u64(fields[V], UINT32_MAX, &version) || version != VERSION ||
        !read_kind(fields[KIND], &notice->kind) ||
        !read_id(notice->from, SW_NODE_BYTES, fields[FROM]) ||
        !read_id(notice->id, SW_NOTICE_ID_BYTES, fields[ID])) {
        return false;
    }
    switch (notice->kind) {
    case SW_NOTICE_DISCONNECT:
        return sw_disconnect_read(&notice->disconnect, object, separator, NULL) == SW_ERROR_NONE;
    case SW_NOTICE_DISCONNECTED:
        return read_answer(notice, fields);
    }
    SW_UNREACHABLE();
}

struct sw_notice *sw_notice_read(struct sw_slice raw, char separator)
{
    struct sw_notice *notice = sw_zalloc(sizeof(*notice));
    notice->post = (struct sw_post){.kind = SW_POST_NOTICE, .bytes = sizeof(*notice)};
    if (!read_notice(notice, raw, separator)) {
        sw_free(notice);
        return NULL;
    }
    return notice;
}

void sw_notice_destroy(struct sw_notice *notice)
{
    sw_free(notice);
}

/* ---- saying ---- */

static void write_notice(struct sw_buf *out, const struct sw_notice *notice)
{
    sw_buf_printf(out, "{\"v\":%d,\"kind\":\"%s\",\"from\":\"%s\",\"id\":\"%s\"", VERSION,
                  kinds[notice->kind], notice->from, notice->id);
    switch (notice->kind) {
    case SW_NOTICE_DISCONNECT:
        sw_disconnect_write(out, &notice->disconnect);
        break;
    case SW_NOTICE_DISCONNECTED:
        sw_buf_printf(out, ",\"count\":%u%s", notice->count,
                      notice->partial ? ",\"partial\":true" : "");
        break;
    }
    sw_buf_append_byte(out, '}');
}

struct sw_publish *sw_notice_publish(const struct sw_notice *notice, const char *node)
{
    struct sw_buf string = {0};
    struct sw_buf text = {0};
    sw_notice_string(&string, node);
    write_notice(&text, notice);
    struct sw_publish *publish = sw_publish_create(sw_buf_slice(&string), sw_slice("", 0),
                                                   sw_slice("", 0), sw_buf_slice(&text));
    publish->notice = true;
    sw_buf_deinit(&string);
    sw_buf_deinit(&text);
    return publish;
}
