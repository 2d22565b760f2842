namespace PdEngine;

/// <summary>Reads the decoder section of tokenizer.json.</summary>
internal static class DecoderReader
{
    private const int MaxDroppedSpaces = 16;
    private const string Marker = "\u2581";

    public static DecoderRules Read(TokenizerField section)
    {
        List<TokenizerField> steps = PipelineReader.Flatten(section, "decoders");
        if (steps.Count == 0)
            throw section.Unsupported("missing");
        string first = steps[0]["type"].Text();
        if (first is "ByteLevel" or "Metaspace" && steps.Count > 1)
            throw steps[1].Unsupported($"a step behind {first}");
        return first switch
        {
            "ByteLevel" => new DecoderRules(ByteLevel: true),
            "Metaspace" => ReadMetaspace(steps[0]),
            _ => ReadChain(steps),
        };
    }

    private static DecoderRules ReadMetaspace(TokenizerField field)
    {
        if (field["replacement"].Text() != Marker)
            throw field["replacement"].Unsupported($"'{field["replacement"].Text()}'");
        bool dropsMarkers = PipelineReader.ReadPrepend(field) != MetaspacePrepend.Never;
        return new DecoderRules(MarkerToSpace: true, FirstDropsMarkers: dropsMarkers);
    }

    // Replace, ByteFallback, Fuse, Strip: each at most once and in this order, as every known file has them.
    private static DecoderRules ReadChain(List<TokenizerField> steps)
    {
        DecoderRules rules = new();
        int last = 0;
        foreach (TokenizerField field in steps)
        {
            string type = field["type"].Text();
            int order = Array.IndexOf(["Replace", "ByteFallback", "Fuse", "Strip"], type) + 1;
            if (order <= last)
                throw field.Unsupported($"of type '{type}' at this place");
            switch (type)
            {
                case "Replace":
                    RequireMarkerToSpace(field);
                    rules = rules with { MarkerToSpace = true };
                    break;
                case "ByteFallback":
                    rules = rules with { ByteFallback = true };
                    break;
                case "Strip":
                    if (last != 3)
                        throw field.Unsupported("a Strip without a Fuse before it");
                    rules = rules with { LeadingSpacesDropped = ReadStrip(field) };
                    break;
            }
            last = order;
        }
        return rules;
    }

    private static void RequireMarkerToSpace(TokenizerField field)
    {
        TokenizerField pattern = field["pattern"]["String"];
        if (pattern.IsNull || pattern.Text() != Marker || field["content"].Text() != " ")
            throw field.Unsupported($"a Replace other than '{Marker}' by a space");
    }

    private static int ReadStrip(TokenizerField field)
    {
        int start = field["start"].Integer();
        bool isLeading = field["content"].Text() == " " && field["stop"].Integer() == 0;
        if (!isLeading || start is < 0 or > MaxDroppedSpaces)
            throw field.Unsupported("a Strip other than of leading spaces");
        return start;
    }
}
