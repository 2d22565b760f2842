using System.Text.Json;

namespace PdEngine;

/// <summary>
/// A checkpoint's chat template: Jinja source that turns messages into the text a model was trained on.
/// It runs in a sandbox without access to the host, and within limits on steps, nesting and text.
/// </summary>
/// <remarks>Safe for use from many threads.</remarks>
public sealed class ChatTemplate
{
    private readonly JinjaTemplate _template;
    private readonly JinjaTemplate? _templateWithTools;
    private readonly JinjaLimits _limits;

    private ChatTemplate(JinjaTemplate template, JinjaTemplate? templateWithTools, JinjaLimits limits)
    {
        _template = template;
        _templateWithTools = templateWithTools;
        _limits = limits;
    }

    /// <summary>Parses a template.</summary>
    /// <param name="source">Jinja source.</param>
    /// <param name="path">The file that it comes from, for messages.</param>
    /// <exception cref="CheckpointException">
    /// A syntax error, an unsupported construct or a source over the limits; the message gives the line.
    /// </exception>
    public static ChatTemplate Parse(string source, string path) => Parse(source, path, JinjaLimits.Serving);

    /// <summary>Renders messages to the text of a prompt.</summary>
    /// <param name="messages">
    /// A JSON array of OpenAI-shaped messages. Content that is a list of text parts becomes their text,
    /// joined by blanks; content that is null becomes empty text unless the template asks for it.
    /// </param>
    /// <param name="options">Further variables; null for the defaults.</param>
    /// <exception cref="RequestException">
    /// The messages are malformed, hold other parts than text, or the template refuses them or fails on them.
    /// </exception>
    public string Render(JsonElement messages, ChatTemplateOptions? options = null)
    {
        options ??= new ChatTemplateOptions();
        JinjaTemplate template = options.Tools is { ValueKind: JsonValueKind.Array }
            ? _templateWithTools ?? _template
            : _template;
        try
        {
            ChatVariables variables = new(_limits);
            JinjaScope scope = variables.Read(messages, options, template.AsksForNullContent);
            return template.Render(scope, options.Clock, variables.Limits);
        }
        catch (JinjaException error)
        {
            string where = error.Line is { } line ? $"the chat template fails on them in line {line}: " : "";
            throw new RequestException("messages", where + error.Message);
        }
    }

    /// <summary>Tools make another prompt; else they would be dropped silently.</summary>
    internal bool TakesTools => _templateWithTools is not null || _template.UsesTools;

    /// <summary>This template, with another one for requests that carry tools.</summary>
    internal ChatTemplate WithTools(ChatTemplate other) => new(_template, other._template, _limits);

    internal static ChatTemplate Parse(string source, string path, JinjaLimits limits)
    {
        try
        {
            return new ChatTemplate(JinjaParser.Parse(source), null, limits);
        }
        catch (JinjaException error)
        {
            throw new CheckpointException(
                path, $"chat template, line {error.Line ?? 1}: {error.Message}", error);
        }
    }
}
