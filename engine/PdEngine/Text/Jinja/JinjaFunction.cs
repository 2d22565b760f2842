namespace PdEngine;

/// <summary>Something that can be called: a global function or a bound method.</summary>
internal sealed class JinjaFunction : JinjaObject
{
    private readonly Func<JinjaContext, JinjaArguments, JinjaValue> _body;

    public JinjaFunction(string name, Func<JinjaContext, JinjaArguments, JinjaValue> body)
    {
        Name = name;
        _body = body;
    }

    public string Name { get; }

    public override string TypeName => "function";

    public JinjaValue Call(JinjaContext context, JinjaArguments arguments) => _body(context, arguments);
}
