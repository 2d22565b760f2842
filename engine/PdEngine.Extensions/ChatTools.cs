using System.Text.Json;
using Microsoft.Extensions.AI;

namespace PdEngine;

/// <summary>Tools that a chat offers, and calls of them in what the model says.</summary>
internal sealed class ChatTools(ChatOptions? options)
{
    private readonly ToolCallReader _reader = new(Names(options));

    /// <summary>What is certain of the answer by now.</summary>
    public List<AIContent> Add(string text) => Contents(_reader.Add(text));

    /// <summary>What was held back; nothing follows.</summary>
    public List<AIContent> End() => Contents(_reader.End());

    /// <summary>An answer that ended by itself may have ended to have tools called.</summary>
    public ChatFinishReason? ReasonOf(ChatFinishReason? reason) =>
        _reader.CallCount > 0 && reason == ChatFinishReason.Stop ? ChatFinishReason.ToolCalls : reason;

    /// <summary>The tools as a template takes them; null where none may be called.</summary>
    /// <exception cref="RequestException">
    /// One is no function, or a call is demanded or bounded, which no model can be held to here.
    /// </exception>
    public static JsonElement? Of(ChatOptions options)
    {
        AIFunctionDeclaration[] functions = [.. Functions(options)];
        if (functions.Length == 0)
            return null;
        ChatRequest.Refuse(options.AllowMultipleToolCalls == false, "one tool call at most");
        return ChatJson.Of(json =>
        {
            json.WriteStartArray();
            foreach (AIFunctionDeclaration function in functions)
            {
                json.WriteStartObject();
                json.WriteString("type", "function");
                json.WriteStartObject("function");
                json.WriteString("name", function.Name);
                json.WriteString("description", function.Description);
                if (function.JsonSchema.ValueKind == JsonValueKind.Object)
                {
                    json.WritePropertyName("parameters");
                    function.JsonSchema.WriteTo(json);
                }
                json.WriteEndObject();
                json.WriteEndObject();
            }
            json.WriteEndArray();
        });
    }

    private static IEnumerable<AIFunctionDeclaration> Functions(ChatOptions? options)
    {
        if (options?.Tools is not { Count: > 0 } tools || options.ToolMode is NoneChatToolMode)
            yield break;
        ChatRequest.Refuse(options.ToolMode is RequiredChatToolMode, "a tool call that is required");
        foreach (AITool tool in tools)
        {
            ChatRequest.Refuse(tool is not AIFunctionDeclaration, $"tool {tool.GetType().Name}");
            yield return (AIFunctionDeclaration)tool;
        }
    }

    private static HashSet<string> Names(ChatOptions? options) =>
        [.. Functions(options).Select(function => function.Name)];

    private static List<AIContent> Contents(List<ToolCallReader.Piece> pieces) =>
        [.. pieces.Select(piece =>
            piece.Call is { } call ? (AIContent)ContentOf(call) : new TextContent(piece.Text))];

    private static FunctionCallContent ContentOf(ToolCall call)
    {
        using JsonDocument document = JsonDocument.Parse(call.Arguments);
        Dictionary<string, object?> arguments = new(StringComparer.Ordinal);
        foreach (JsonProperty argument in document.RootElement.EnumerateObject())
            arguments[argument.Name] = argument.Value.Clone();
        return new FunctionCallContent($"call_{Guid.NewGuid():N}", call.Name, arguments);
    }
}
