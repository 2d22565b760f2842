using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Reads a body of <c>/v1/chat/completions</c>.</summary>
internal static class ChatBody
{
    /// <exception cref="RequestException">A field is at fault.</exception>
    public static OpenAiAsk Read(JsonElement body, EngineModel model, string? session)
    {
        OpenAiNames.Check(body, isChat: true);
        JsonElement messages = Fields.Element(body, "messages", JsonValueKind.Array)
            ?? throw new RequestException("messages", "an array of messages is needed");
        JsonElement? tools = Tools(body);
        bool hasLogProbs = Fields.Boolean(body, "logprobs") ?? false;
        int? top = Fields.Integer(body, "top_logprobs");
        if (top is > 0 && !hasLogProbs)
            throw new RequestException("top_logprobs", "it goes with logprobs: true");
        int? most = Fields.Integer(body, "max_completion_tokens") ?? Fields.Integer(body, "max_tokens");
        GenerateBody read = GenerateBody.ReadNames(body, new GenerateRequest
        {
            Messages = ToolArguments.Unquoted(messages),
            Tools = tools,
            ChatTemplateArguments = Fields.Element(body, "chat_template_kwargs", JsonValueKind.Object),
            Sampling = OpenAiSampling.Read(body),
            ReturnLogProb = hasLogProbs,
            TopLogProbsNum = OpenAiSampling.Top("top_logprobs", top ?? 0),
        }, SamplingBody.SampleCount(body));
        read = GenerateBatch.WithSession(read, session);
        read = read with { Request = OpenAiSampling.Bounded(model, read.Request, most, int.MaxValue) };
        return new OpenAiAsk(
            [read], Fields.String(body, "model") ?? model.Name, Fields.Boolean(body, "stream") ?? false,
            OpenAiSampling.SendsUsage(body), hasLogProbs ? top ?? 0 : null, Names(tools));
    }

    /// <summary>Those that may be called; null where none may.</summary>
    private static JsonElement? Tools(JsonElement body)
    {
        const string Field = "tool_choice";
        JsonElement? tools = Fields.Element(body, "tools", JsonValueKind.Array);
        if (!body.TryGetProperty(Field, out JsonElement choice) || choice.ValueKind == JsonValueKind.Null)
            return tools;
        string? name = choice.ValueKind == JsonValueKind.String ? Fields.String(body, Field) : null;
        return name switch
        {
            "auto" => tools,
            "none" => null,
            _ => throw new RequestException(Field, "only auto and none are served"),
        };
    }

    private static HashSet<string> Names(JsonElement? tools)
    {
        HashSet<string> names = new(StringComparer.Ordinal);
        if (tools is not { } list)
            return names;
        foreach (JsonElement tool in list.EnumerateArray())
        {
            if (tool.ValueKind != JsonValueKind.Object
                || Fields.Element(tool, "function", JsonValueKind.Object) is not { } function
                || Fields.String(function, "name") is not { Length: > 0 } name)
            {
                throw new RequestException("tools", "each is an object with a function that has a name");
            }
            names.Add(name);
        }
        return names;
    }
}
