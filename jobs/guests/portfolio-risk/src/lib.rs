//! The `portfolio-risk` job as a component: the library's `run`, exported.

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "job" });

    struct Job;

    impl Guest for Job {
        fn run(input: Vec<u8>) -> Result<Vec<u8>, String> {
            portfolio_risk::run(&input)
        }
    }

    export!(Job);
}
