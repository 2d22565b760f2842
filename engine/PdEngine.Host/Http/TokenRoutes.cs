using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Text to ids and back.</summary>
internal static class TokenRoutes
{
    public static async Task TokenizeAsync(HttpCall call)
    {
        JsonElement body = await call.ReadObjectAsync().ConfigureAwait(false);
        Tokenizer tokenizer = TokenizerOf(call);
        if (!body.TryGetProperty("prompt", out JsonElement prompt))
            throw HttpRefusal.Bad("prompt", "a string or a list of strings is needed");
        bool isList = prompt.ValueKind == JsonValueKind.Array;
        bool addSpecial = Fields.Boolean(body, "add_special_tokens") ?? true;
        int[][] all = [.. Fields.Strings(body, "prompt").Select(text => tokenizer.Encode(text, addSpecial))];
        if (!isList && all.Length == 0)
            throw HttpRefusal.Bad("prompt", "a string or a list of strings is needed, not null");
        await call.WriteAsync(json =>
        {
            json.WriteStartObject();
            json.WritePropertyName("tokens");
            WriteEach(json, all, isList, ids => WriteIds(json, ids));
            json.WritePropertyName("count");
            WriteEach(json, all, isList, ids => json.WriteNumberValue(ids.Length));
            json.WriteNumber("max_model_len", call.Model.ContextTokens);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    public static async Task DetokenizeAsync(HttpCall call)
    {
        JsonElement body = await call.ReadObjectAsync().ConfigureAwait(false);
        Tokenizer tokenizer = TokenizerOf(call);
        bool skipSpecial = Fields.Boolean(body, "skip_special_tokens") ?? true;
        JsonElement tokens = Fields.Element(body, "tokens", JsonValueKind.Array)
            ?? throw HttpRefusal.Bad("tokens", "a list of ids, or a list of such lists, is needed");
        bool isList = tokens.GetArrayLength() > 0 && tokens[0].ValueKind == JsonValueKind.Array;
        int[][] all = isList
            ? [.. tokens.EnumerateArray().Select(part => Ids(part, call.Model))]
            : [Ids(tokens, call.Model)];
        await call.WriteAsync(json =>
        {
            json.WriteStartObject();
            json.WritePropertyName("text");
            WriteEach(json, all, isList, ids => json.WriteStringValue(tokenizer.Decode(ids, skipSpecial)));
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static Tokenizer TokenizerOf(HttpCall call) => call.Model.Tokenizer
        ?? throw new HttpRefusal(400, "invalid_request_error", "the checkpoint has no tokenizer");

    private static int[] Ids(JsonElement list, EngineModel model)
    {
        int[] ids = Fields.ToIds(list, "tokens");
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)model.VocabularySize)
                throw HttpRefusal.Bad("tokens", $"token id {id} is not in 0 to {model.VocabularySize - 1}");
        }
        return ids;
    }

    private static void WriteEach(Utf8JsonWriter json, int[][] all, bool isList, Action<int[]> write)
    {
        if (isList)
            json.WriteStartArray();
        foreach (int[] ids in all)
            write(ids);
        if (isList)
            json.WriteEndArray();
    }

    private static void WriteIds(Utf8JsonWriter json, int[] ids)
    {
        json.WriteStartArray();
        foreach (int id in ids)
            json.WriteNumberValue(id);
        json.WriteEndArray();
    }
}
