using System.CommandLine;
using System.CommandLine.Invocation;

namespace PdEngine.Host;

/// <summary>The parser's help, then what a verb says besides and its examples.</summary>
internal sealed class VerbHelp(SynchronousCommandLineAction standard) : SynchronousCommandLineAction
{
    /// <summary>A page is shown whatever else is missing.</summary>
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        int code = standard.Invoke(parseResult);
        if (parseResult.CommandResult.Command is not Verb verb)
            return code;
        TextWriter output = parseResult.InvocationConfiguration.Output;
        if (verb.Details is { } details)
            output.WriteLine(details);
        output.WriteLine();
        output.WriteLine("Examples:");
        foreach (string example in verb.Examples)
            output.WriteLine($"  {example}");
        return code;
    }
}
