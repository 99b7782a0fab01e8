//! The component ABI: world `run: func(input: list<u8>) -> result<list<u8>, string>`, no imports.

use wasmtime::Store;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, InstancePre, Linker, Type};

use crate::error::ProgramError;
use crate::outcome::Outcome;
use crate::program::{Ended, Host, charge};
use crate::runtime::FUEL_PER_BYTE;

const EXPORT: &str = "run";
const EXPORT_TYPE: &str = "func(input: list<u8>) -> result<list<u8>, string>";

/// Checks a compiled component against the world and prepares it for instantiation.
pub(crate) fn prepare(engine: &wasmtime::Engine, component: &Component) -> Result<InstancePre<Host>, ProgramError> {
    let world = component.component_type();
    if let Some((name, _)) = world.imports(engine).next() {
        return Err(ProgramError::ForbiddenImport(name.to_owned()));
    }
    match world.get_export(engine, EXPORT).map(|export| export.ty) {
        Some(ComponentItem::ComponentFunc(func)) if is_run(&func) => {}
        Some(_) => return Err(ProgramError::ExportType { name: EXPORT, wanted: EXPORT_TYPE }),
        None => return Err(ProgramError::MissingExport(EXPORT)),
    }
    Linker::new(engine).instantiate_pre(component).map_err(|error| ProgramError::Invalid(format!("{error:#}")))
}

fn is_run(func: &ComponentFunc) -> bool {
    let bytes = |ty: &Type| matches!(ty, Type::List(list) if list.ty() == Type::U8);
    let mut params = func.params();
    let mut results = func.results();
    let one_list = matches!((params.next(), params.next()), (Some((_, ty)), None) if bytes(&ty));
    let one_result = matches!(
        (results.next(), results.next()),
        (Some(Type::Result(result)), None)
            if result.ok().is_some_and(|ok| bytes(&ok)) && result.err() == Some(Type::String)
    );
    one_list && one_result && !func.async_()
}

/// Runs one instance to its end.
pub(crate) fn call(
    store: &mut Store<Host>,
    pre: &InstancePre<Host>,
    input: &[u8],
    output_limit: u32,
) -> Result<Outcome, Ended> {
    let instance = pre.instantiate(&mut *store).map_err(Ended::module)?;
    let pages = store.data().limiter.pages();
    charge(store, crate::program::page_fuel(pages))?;
    // What the guest hands back lies in its own memory, so that memory's limit bounds the copy.
    store.set_hostcall_fuel(usize::MAX);
    charge(store, (input.len() as u64).saturating_mul(FUEL_PER_BYTE))?;
    let run =
        instance.get_typed_func::<(&[u8],), (Result<Vec<u8>, String>,)>(&mut *store, EXPORT).map_err(Ended::host)?;
    let (result,) = run.call(&mut *store, (input,)).map_err(Ended::running)?;
    let bytes = result.as_ref().map_or_else(String::len, Vec::len);
    if bytes > output_limit as usize {
        return Ok(Outcome::OutputTooLarge);
    }
    charge(store, (bytes as u64).saturating_mul(FUEL_PER_BYTE))?;
    Ok(match result {
        Ok(output) => Outcome::Ok(output),
        Err(message) => Outcome::Failed(message),
    })
}
