/* Converts one document as often as it is told, with libwbxml, and tells the CPU time of it. Built and driven by the benchmark `wbxml`.
 *
 *   libwbxml DOCUMENT.xml
 *
 * Commands on standard input, a line each; an answer on standard output, a line each:
 *   encode N   converts the XML N times to WBXML 1.2 without string table: nanoseconds
 *   decode N   converts that WBXML N times to compact XML: nanoseconds
 *   wbxml      that WBXML in hexadecimal digits
 * What libwbxml refuses ends it with its error text and status 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wbxml/wbxml.h>

static void refused(WBXMLError error) {
  fprintf(stderr, "libwbxml: %s\n", (const char *)wbxml_errors_string(error));
  exit(1);
}

static WB_UTINY *file(const char *path, WB_ULONG *length) {
  FILE *opened = fopen(path, "rb");
  long size;
  WB_UTINY *octets;
  if (opened == NULL || fseek(opened, 0, SEEK_END) != 0 || (size = ftell(opened)) < 0) {
    perror(path);
    exit(1);
  }
  rewind(opened);
  octets = malloc((size_t)size + 1);
  if (octets == NULL || fread(octets, 1, (size_t)size, opened) != (size_t)size) {
    perror(path);
    exit(1);
  }
  fclose(opened);
  octets[size] = 0;
  *length = (WB_ULONG)size;
  return octets;
}

static WB_UTINY *encode(WB_UTINY *xml, WB_ULONG length, WB_ULONG *written) {
  WBXMLConvXML2WBXML *converter = NULL;
  WB_UTINY *wbxml = NULL;
  WBXMLError error = wbxml_conv_xml2wbxml_create(&converter);
  if (error == WBXML_OK) {
    wbxml_conv_xml2wbxml_disable_string_table(converter);
    wbxml_conv_xml2wbxml_set_version(converter, WBXML_VERSION_12);
    error = wbxml_conv_xml2wbxml_run(converter, xml, length, &wbxml, written);
    wbxml_conv_xml2wbxml_destroy(converter);
  }
  if (error != WBXML_OK) refused(error);
  return wbxml;
}

static void decode(WB_UTINY *wbxml, WB_ULONG length) {
  WBXMLConvWBXML2XML *converter = NULL;
  WB_UTINY *xml = NULL;
  WB_ULONG written = 0;
  WBXMLError error = wbxml_conv_wbxml2xml_create(&converter);
  if (error == WBXML_OK) {
    wbxml_conv_wbxml2xml_set_gen_type(converter, WBXML_GEN_XML_COMPACT);
    error = wbxml_conv_wbxml2xml_run(converter, wbxml, length, &xml, &written);
    wbxml_conv_wbxml2xml_destroy(converter);
  }
  if (error != WBXML_OK) refused(error);
  free(xml);
}

static long long cpu(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

int main(int count, char **arguments) {
  WB_ULONG length, coded;
  WB_UTINY *xml, *wbxml;
  char line[64];
  long times;
  if (count != 2) return 2;
  xml = file(arguments[1], &length);
  wbxml = encode(xml, length, &coded);
  while (fgets(line, sizeof line, stdin) != NULL) {
    long long began = cpu();
    if (sscanf(line, "encode %ld", &times) == 1) {
      for (; times > 0; times--) {
        WB_ULONG written;
        free(encode(xml, length, &written));
      }
      printf("%lld\n", cpu() - began);
    } else if (sscanf(line, "decode %ld", &times) == 1) {
      for (; times > 0; times--) decode(wbxml, coded);
      printf("%lld\n", cpu() - began);
    } else if (strcmp(line, "wbxml\n") == 0) {
      WB_ULONG at;
      for (at = 0; at < coded; at++) printf("%02x", wbxml[at]);
      printf("\n");
    } else {
      return 2;
    }
    fflush(stdout);
  }
  free(wbxml);
  free(xml);
  return 0;
}
