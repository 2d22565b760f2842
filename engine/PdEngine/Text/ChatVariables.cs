using System.Text.Json;

namespace PdEngine;

/// <summary>Makes a template's variables of a request, and its limits of the request's size.</summary>
internal sealed class ChatVariables
{
    private static readonly string[] OwnNames = ["messages", "tools", "documents", "add_generation_prompt"];
    private long _inputWeight;

    public ChatVariables(JinjaLimits limits) => Limits = limits;

    /// <summary>The limits, which grow with what was read.</summary>
    public JinjaLimits Limits { get; private set; }

    public JinjaScope Read(JsonElement messages, ChatTemplateOptions options, bool keepNullContent)
    {
        JinjaScope scope = new(null);
        SetText(scope, "bos_token", options.BosToken);
        SetText(scope, "eos_token", options.EosToken);
        SetText(scope, "pad_token", options.PadToken);
        SetText(scope, "unk_token", options.UnknownToken);
        if (options.Extra is { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) } extra)
            SetExtra(scope, extra);
        scope.Set("messages", Measured(ChatMessages.Read(messages, keepNullContent)));
        scope.Set("tools", ReadList("tools", options.Tools));
        scope.Set("documents", ReadList("documents", options.Documents));
        scope.Set("add_generation_prompt", JinjaValue.Boolean(options.AddGenerationPrompt));
        Limits = Limits with
        {
            Steps = Limits.Steps + (_inputWeight * JinjaLimits.StepsPerInputValue),
            Chars = Limits.Chars + (_inputWeight * JinjaLimits.CharsPerInputValue),
        };
        return scope;
    }

    private static void SetText(JinjaScope scope, string name, string? text)
    {
        if (text is not null)
            scope.Set(name, JinjaValue.String(text));
    }

    private static JinjaValue ReadField(string field, JsonElement element)
    {
        try
        {
            return JinjaJson.Read(element);
        }
        catch (JinjaException error)
        {
            throw new RequestException(field, error.Message);
        }
    }

    private void SetExtra(JinjaScope scope, JsonElement extra)
    {
        const string Field = "chat_template_kwargs";
        if (extra.ValueKind != JsonValueKind.Object)
            throw new RequestException(Field, $"must be a JSON object, not {extra.ValueKind}");
        foreach (
            KeyValuePair<JinjaValue, JinjaValue> entry in Measured(ReadField(Field, extra)).AsMapping.Entries)
        {
            string name = entry.Key.AsString;
            if (OwnNames.Contains(name))
                throw new RequestException(Field, $"'{name}' has a field of its own; give it there");
            scope.Set(name, entry.Value);
        }
    }

    private JinjaValue ReadList(string field, JsonElement? element)
    {
        if (element is not { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) } list)
            return JinjaValue.None;
        return list.ValueKind == JsonValueKind.Array
            ? Measured(ReadField(field, list))
            : throw new RequestException(field, $"must be a JSON array, not {list.ValueKind}");
    }

    private JinjaValue Measured(JinjaValue value)
    {
        _inputWeight += value.Weight;
        return value;
    }
}
